"""Mailgun's webhooks: one event a call, with an HMAC over a timestamp and a token.

The signature does not cover the event. A token therefore counts once, and only while it is fresh.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from automation.inbound.provider_reports import Kind, Said, at, instant, our_id, text

FRESH = timedelta(hours=24)
"""Mailgun tries again for 8 hours, under the same signature."""
_KINDS: Mapping[str, Kind] = {
    "delivered": "delivered",
    "complained": "complained",
    "unsubscribed": "unsubscribed",
    "opened": "opened",
    "clicked": "clicked",
}


def genuine(signing_key: str, document: Any, now: datetime) -> bool:
    """Whether the holder of the key made the signature, a day ago at the most."""
    stamp, token = text(document, "signature", "timestamp"), text(document, "signature", "token")
    expected = hmac.new(signing_key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    given = text(document, "signature", "signature")
    made = instant(int(stamp)) if stamp.isascii() and stamp.isdecimal() and len(stamp) < 15 else None
    same = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    return same and made is not None and abs(now - made) <= FRESH


def reports(document: Any) -> Iterator[Said]:
    """What the event says."""
    event = at(document, "event-data")
    name, identity = text(event, "event"), our_id(text(event, "message", "headers", "message-id", longest=400))
    kind = _KINDS.get(name) or _failure(name, event)
    if kind is None or not identity:
        return
    agent = text(event, "client-info", "user-agent", longest=500)
    robot = text(event, "client-info", "bot")
    yield Said(
        kind,
        text(document, "signature", "token"),
        identity,
        instant(event.get("timestamp")),
        status=text(event, "delivery-status", "enhanced-code", longest=20)
        or text(event, "delivery-status", "code", longest=20),
        user_agent=f"{robot} robot" if robot else agent or None,
    )


def _failure(name: str, event: Any) -> Kind | None:
    """Permanent for a bounce is the address; for what Mailgun or a policy held back it is this message."""
    if name != "failed":
        return None
    if text(event, "severity") == "temporary":
        return "delayed"
    return "dead" if text(event, "reason") in ("bounce", "suppress-bounce") else "refused"
