"""Postmark's webhooks: one record a call. They are not signed; HTTP authentication takes the place of a signature.

A record names the message in its metadata: the SMTP channel must write the header `X-PM-Metadata-message`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

from automation.inbound.provider_reports import ProviderReport, ReportKind, read_request
from automation.web.api.webhooks.payload import parse_message_id, parse_time, read_text

_DEAD = frozenset({"HardBounce", "BadEmailAddress"})
_SOFT = frozenset({"Transient", "SoftBounce", "DnsError", "AutoResponder", "ManuallyDeactivated"})
_TIMES: Mapping[str, str] = {
    "Delivery": "DeliveredAt",
    "Bounce": "BouncedAt",
    "SpamComplaint": "BouncedAt",
    "SubscriptionChange": "ChangedAt",
}
_KINDS: Mapping[str, ReportKind] = {
    "Delivery": "delivered",
    "SpamComplaint": "complaint",
    "Open": "opened",
    "Click": "clicked",
}


def verify_password(username: str, password: str, authorization: str) -> bool:
    """Whether the call carries the user name and the password (RFC 7617)."""
    scheme, _, given = authorization.partition(" ")
    try:
        decoded = base64.b64decode(given.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(decoded, f"{username}:{password}".encode()) and scheme.lower() == "basic"


def parse_reports(document: Any) -> Iterator[ProviderReport]:
    """The report in a record, if it is one that counts."""
    name = read_text(document, "RecordType")
    message_id = parse_message_id(read_text(document, "Metadata", "message"))
    kind = _classify(name, document)
    if kind is None or not message_id:
        return
    when = read_text(document, _TIMES.get(name, "ReceivedAt"))
    number = read_text(document, "ID") or when
    agent = read_text(document, "UserAgent", longest=500)
    yield ProviderReport(
        kind,
        message_id,
        "postmark",
        f"{name}:{message_id}:{number}",
        at=parse_time(when),
        status=read_text(document, "Type"),
        request=read_request(kind, agent or None),
    )


def _classify(name: str, document: Any) -> ReportKind | None:
    if name == "Bounce":
        type_ = read_text(document, "Type")
        return "dead_address" if type_ in _DEAD else "delayed" if type_ in _SOFT else "refused"
    if name == "SubscriptionChange":
        return "unsubscribed" if isinstance(document, dict) and document.get("SuppressSending") is True else None
    return _KINDS.get(name)
