"""What customers reply to an SMS: STOP suppresses the number on its channel, START lifts that again."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy.engine import Connection

from automation.store.people import suppressions
from automation.types.keywords import is_opt_in, is_opt_out

Word = Literal["stop", "start"]
_LONGEST = 1_600  # characters that an SMS of many parts has


def classify_reply(text: str) -> Word | None:
    """What the customer wants, whoever the number belongs to; None for any other text than STOP and START."""
    if len(text) > _LONGEST:
        return None
    return "stop" if is_opt_out(text) else "start" if is_opt_in(text) else None


def record_sms_reply(
    connection: Connection, number: str, word: Word, *, channel: str, source: str, now: datetime
) -> None:
    """Act on a reply. START lifts only what the customer asked for, not what an admin or a bounce did."""
    if word == "stop":
        suppressions.suppress(connection, [number], channel=channel, reason="unsubscribed", source=source, now=now)
        return
    rows = suppressions.suppressed(connection, [number], channel)
    if any(row.reason in suppressions.OWNER_REASONS for row in rows.values()):
        suppressions.unsuppress(connection, number, channel=channel)
