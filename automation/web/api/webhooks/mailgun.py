"""Mailgun's webhooks: one event a call, with an HMAC over a timestamp and a token.

The signature does not cover the event. So a token counts once, and only within a day.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from automation.inbound.provider_reports import ProviderReport, ReportKind, read_request
from automation.web.api.webhooks.payload import parse_message_id, parse_time, read_field, read_text

VALID_FOR = timedelta(hours=24)
"""Mailgun retries for 8 hours with the same signature."""
_KINDS: Mapping[str, ReportKind] = {
    "delivered": "delivered",
    "complained": "complaint",
    "unsubscribed": "unsubscribed",
    "opened": "opened",
    "clicked": "clicked",
}
_FAILURES: Mapping[str, ReportKind] = {
    "bounce": "dead_address",
    "suppress-bounce": "dead_address",
    "suppress-complaint": "complaint",
    "suppress-unsubscribe": "unsubscribed",
}
"""What a permanent failure says, by its `reason`; any other one concerns the message alone."""


def verify_signature(signing_key: str, document: Any, now: datetime) -> bool:
    """Whether the holder of the key made the signature within the last day."""
    stamp, token = read_text(document, "signature", "timestamp"), read_text(document, "signature", "token")
    expected = hmac.new(signing_key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    given = read_text(document, "signature", "signature")
    signed_at = parse_time(int(stamp)) if stamp.isascii() and stamp.isdecimal() and len(stamp) < 15 else None
    same = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    return same and signed_at is not None and abs(now - signed_at) <= VALID_FOR


def find_token(document: Any) -> str:
    """What the signature covers: it may be used once, since whoever saw it could send it with another event."""
    return f"mailgun:{read_text(document, 'signature', 'token')}"


def parse_reports(document: Any) -> Iterator[ProviderReport]:
    """The report in a call, if it is one that counts."""
    event = read_field(document, "event-data")
    message_id = parse_message_id(read_text(event, "message", "headers", "message-id", longest=400))
    kind = _classify(read_text(event, "event"), event)
    if kind is None or not message_id:
        return
    agent = read_text(event, "client-info", "user-agent", longest=500)
    robot = read_text(event, "client-info", "bot")
    yield ProviderReport(
        kind,
        message_id,
        "mailgun",
        read_text(document, "signature", "token"),
        at=parse_time(event.get("timestamp")),
        status=read_text(event, "delivery-status", "enhanced-code", longest=20)
        or read_text(event, "delivery-status", "code", longest=20),
        request=read_request(kind, f"{robot} robot" if robot else agent or None),
    )


def _classify(name: str, event: Any) -> ReportKind | None:
    if name != "failed":
        return _KINDS.get(name)
    if read_text(event, "severity") == "temporary":
        return "delayed"
    return _FAILURES.get(read_text(event, "reason"), "refused")
