"""SendGrid's event webhook: a list of events, signed with ECDSA over the timestamp and the body."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from automation.inbound.provider_reports import Kind, Said, instant, our_id, text

_KINDS: Mapping[str, Kind] = {
    "delivered": "delivered",
    "deferred": "delayed",
    "spamreport": "complained",
    "unsubscribe": "unsubscribed",
    "group_unsubscribe": "unsubscribed",
    "open": "opened",
    "click": "clicked",
}
_MACHINE = "SendGrid robot"


def genuine(public_key: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the holder of the key signed this body (ECDSA P-256, SHA-256). Raises `ValueError` for a bad key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = load_der_public_key(base64.b64decode(public_key))
    if not isinstance(key, EllipticCurvePublicKey):
        raise ValueError("the key is not for ECDSA")
    signed = headers.get("x-twilio-email-event-webhook-timestamp", "").encode("ascii", "replace") + body
    try:
        signature = base64.b64decode(headers.get("x-twilio-email-event-webhook-signature", ""), validate=True)
        key.verify(signature, signed, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def reports(document: Any) -> Iterator[Said]:
    """What each event says."""
    for event in document if isinstance(document, list) else ():
        name, identity, key = text(event, "event"), our_id(text(event, "smtp-id")), text(event, "sg_event_id")
        kind = _KINDS.get(name) or _failure(name, event)
        if kind is None or not identity or not key:
            continue
        agent = (
            _MACHINE if isinstance(event, dict) and event.get("sg_machine_open") is True else text(event, "useragent")
        )
        yield Said(
            kind,
            key,
            identity,
            instant(event.get("timestamp")),
            status=text(event, "status", longest=20),
            user_agent=agent or None,
        )


def _failure(name: str, event: Any) -> Kind | None:
    """A bounce speaks of the address; a block, and a drop for another reason, of this message."""
    if name == "bounce":
        return "refused" if text(event, "type") == "blocked" else "dead"
    if name == "dropped":
        return "dead" if text(event, "reason") in ("Bounced Address", "Invalid") else "refused"
    return None
