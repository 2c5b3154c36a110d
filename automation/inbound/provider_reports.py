"""What a provider says became of a message, in one form whoever says it, and what follows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy.engine import Connection

from automation.inbound.bot_detection import Hit, judge
from automation.store.inbox import inbox, responses
from automation.store.people import suppressions

Kind = Literal["delivered", "delayed", "refused", "dead", "complained", "unsubscribed", "opened", "clicked"]

_ID = re.compile(r"<?\s*([0-9a-f]{32})(?:@[^<>\s]{1,255})?\s*>?", re.ASCII)


@dataclass(frozen=True)
class Said:
    """One report. `key` is the provider's own number of it: the same report twice is one.

    dead: the address will never take a message; refused: this message was, for good. user_agent: of an open or click.
    """

    kind: Kind
    key: str
    message_id: str
    at: datetime | None = None
    status: str = ""
    user_agent: str | None = None


def take(connection: Connection, provider: str, medium: str, said: Said, now: datetime) -> bool:
    """Keep the report as an event with what it causes; whether it was new and about a message of ours.

    medium: email or sms, the beginning of the event types.
    """
    message = responses.find_recipient(connection, said.message_id) if said.message_id else None
    if message is None:
        return False
    kind, more = _type(said, medium)
    at = min(said.at, now) if said.at is not None else now
    event = responses.make_event(
        message, kind, at=at, event_id=f"{provider}:{said.key}", status=said.status or None, source=provider, **more
    )
    if not inbox.add_events(connection, [event], now=now):
        return False
    reason = {"dead": "hard_bounce", "complained": "complaint"}.get(said.kind)
    if reason:
        suppressions.suppress(
            connection, [message.address], channel=message.channel, reason=reason, source=provider, now=now
        )
    if said.kind == "unsubscribed":
        words = {(message.channel, message.topic): False}
        responses.record_consents(connection, message, words, at=at, source=provider, method="webhook")
    return True


def _type(said: Said, medium: str) -> tuple[str, dict[str, str]]:
    if said.kind in ("opened", "clicked"):
        hit: Literal["open", "click"] = "open" if said.kind == "opened" else "click"
        judged = judge(Hit(hit, "GET", said.user_agent or "Mozilla/5.0 (unknown)", None))
        return f"{'machine' if judged.machine else medium}_{hit}", {"why": judged.why} if judged.why else {}
    if medium == "sms":
        return ("sms_delivered" if said.kind == "delivered" else "sms_failed"), {"kind": said.kind}
    types = {"delivered": "email_delivered", "complained": "email_complaint", "unsubscribed": "email_unsubscribe"}
    kinds = {"dead": "dead_address"}
    return types.get(said.kind, "email_bounce"), {"kind": kinds.get(said.kind, said.kind)}


def our_id(value: object) -> str:
    """Our message id in a Message-ID or a field of ours, else ""."""
    found = _ID.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    return found[1] if found else ""


def instant(value: object) -> datetime | None:
    """Seconds since 1970 or ISO 8601, as an instant; None for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def at(value: Any, *path: str) -> Any:
    """What lies at the path of nested objects; None where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: Any, *path: str, longest: int = 200) -> str:
    """The text or number at the path, cut; "" where there is none."""
    found = at(value, *path)
    return str(found)[:longest] if isinstance(found, str | int | float) and not isinstance(found, bool) else ""
