"""Postmark's webhooks: one record a call. They are not signed; HTTP authentication stands in.

A record names the message through its metadata: have the SMTP channel write `X-PM-Metadata-message`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

from automation.inbound.provider_reports import Kind, Said, instant, our_id, text

_DEAD = frozenset({"HardBounce", "BadEmailAddress"})
_PASSING = frozenset({"Transient", "SoftBounce", "DnsError", "AutoResponder", "ManuallyDeactivated"})
_TIMES: Mapping[str, str] = {
    "Delivery": "DeliveredAt",
    "Bounce": "BouncedAt",
    "SpamComplaint": "BouncedAt",
    "SubscriptionChange": "ChangedAt",
}


def genuine(username: str, password: str, authorization: str) -> bool:
    """Whether the call carries the user name and the password (RFC 7617)."""
    scheme, _, given = authorization.partition(" ")
    try:
        decoded = base64.b64decode(given.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(decoded, f"{username}:{password}".encode()) and scheme.lower() == "basic"


def reports(document: Any) -> Iterator[Said]:
    """What the record says."""
    name, identity = text(document, "RecordType"), our_id(text(document, "Metadata", "message"))
    kind = _kind(name, document)
    if kind is None or not identity:
        return
    when = text(document, _TIMES.get(name, "ReceivedAt"))
    number = text(document, "ID") or when
    agent = text(document, "UserAgent", longest=500)
    yield Said(kind, f"{name}:{identity}:{number}", identity, instant(when), text(document, "Type"), agent or None)


def _kind(name: str, document: Any) -> Kind | None:
    fixed: Mapping[str, Kind] = {
        "Delivery": "delivered",
        "SpamComplaint": "complained",
        "Open": "opened",
        "Click": "clicked",
    }
    if name == "Bounce":
        type_ = text(document, "Type")
        return "dead" if type_ in _DEAD else "delayed" if type_ in _PASSING else "refused"
    if name == "SubscriptionChange":
        return "unsubscribed" if isinstance(document, dict) and document.get("SuppressSending") is True else None
    return fixed.get(name)
