"""SendGrid's event webhook: a list of events, signed with ECDSA over the timestamp and the body."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from automation.inbound.provider_reports import ProviderReport, ReportKind, read_request
from automation.web.api.webhooks.payload import parse_message_id, parse_time, read_text

_KINDS: Mapping[str, ReportKind] = {
    "delivered": "delivered",
    "deferred": "delayed",
    "spamreport": "complaint",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
    "open": "opened",
    "click": "clicked",
}
_DROPPED: Mapping[str, ReportKind] = {
    "Bounced Address": "dead_address",
    "Invalid": "dead_address",
    "Spam Reporting Address": "complaint",
    "Unsubscribed Address": "unsubscribed",
}
"""What SendGrid says when it drops a message, by its `reason`; any other one concerns the message alone."""
_BOT = "SendGrid robot"
VALID_FOR = timedelta(days=3)
"""SendGrid retries for a day. An event is recognised when it comes again, for a week."""


def verify_signature(public_key: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether the holder of the key signed this body within the last days (ECDSA P-256, SHA-256).

    Raises `ValueError` for a bad key.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = load_der_public_key(base64.b64decode(public_key))
    if not isinstance(key, EllipticCurvePublicKey):
        raise ValueError("the key is not for ECDSA")
    stamp = headers.get("x-twilio-email-event-webhook-timestamp", "")
    at = parse_time(int(stamp)) if stamp.isascii() and stamp.isdecimal() and len(stamp) < 15 else None
    if at is None or abs(now - at) > VALID_FOR:
        return False
    signed = stamp.encode() + body
    try:
        signature = base64.b64decode(headers.get("x-twilio-email-event-webhook-signature", ""), validate=True)
        key.verify(signature, signed, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def parse_reports(document: Any) -> Iterator[ProviderReport]:
    """The reports in a call that count."""
    for event in document if isinstance(document, list) else ():
        message_id, report_id = parse_message_id(read_text(event, "smtp-id")), read_text(event, "sg_event_id")
        kind = _classify(read_text(event, "event"), event)
        if kind is None or not message_id or not report_id:
            continue
        agent = _BOT if event.get("sg_machine_open") is True else read_text(event, "useragent")
        yield ProviderReport(
            kind,
            message_id,
            "sendgrid",
            report_id,
            at=parse_time(event.get("timestamp")),
            status=read_text(event, "status", longest=20),
            request=read_request(kind, agent or None),
        )


def _classify(name: str, event: Any) -> ReportKind | None:
    """A bounce concerns the address; a block concerns this message."""
    if name == "bounce":
        return "refused" if read_text(event, "type") == "blocked" else "dead_address"
    if name == "dropped":
        return _DROPPED.get(read_text(event, "reason"), "refused")
    return _KINDS.get(name)
