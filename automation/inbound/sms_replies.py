"""What customers reply to an SMS: STOP suppresses the number on its channel, START lifts that again."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from automation.store.people import suppressions
from automation.types.keywords import is_opt_in, is_opt_out


def record_sms_reply(
    connection: Connection, number: str, text: str, *, channel: str, source: str, now: datetime
) -> None:
    """Act on a reply, whoever the number belongs to; any other text than STOP and START changes nothing.

    START lifts only what the customer asked for, not what an admin or a bounce did.
    """
    if is_opt_out(text):
        suppressions.suppress(connection, [number], channel=channel, reason="unsubscribed", source=source, now=now)
    elif is_opt_in(text):
        rows = suppressions.suppressed(connection, [number], channel)
        if any(row.reason in suppressions.OWNER_REASONS for row in rows.values()):
            suppressions.unsuppress(connection, number, channel=channel)
