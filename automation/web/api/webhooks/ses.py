"""Amazon SES through SNS: notifications signed with a certificate that lies at Amazon."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from automation.inbound.provider_reports import Kind, Said, at, instant, our_id, text

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets what lies at a web address of Amazon. Raises `OSError`."""

_AMAZON = re.compile(r"https://sns\.[a-z0-9-]{2,30}\.amazonaws\.com(?:\.cn)?/[A-Za-z0-9._~/?&=%+:-]{1,1500}", re.ASCII)
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_MOST_KEPT = 8


class Sns:
    """Judges what SNS sends; keeps the few certificates that it has fetched."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._certificates: dict[str, bytes] = {}

    async def genuine(self, document: Any, topics: tuple[str, ...]) -> bool:
        """Whether Amazon signed it for one of our topics. Raises `OSError` where the certificate can't be had."""
        address = text(document, "SigningCertURL", longest=2_000)
        if text(document, "TopicArn", longest=300) not in topics or not is_amazon(address):
            return False
        if not address.partition("?")[0].endswith(".pem"):
            return False
        if address not in self._certificates:
            certificate = await self._fetch(address)
            while len(self._certificates) >= _MOST_KEPT:
                del self._certificates[next(iter(self._certificates))]
            self._certificates[address] = certificate
        return _signed_by(self._certificates[address], document)

    async def confirm(self, document: Any) -> bool:
        """Take up the subscription that SNS offers; whether that was one. Raises `OSError`."""
        address = text(document, "SubscribeURL", longest=2_000)
        if text(document, "Type") != "SubscriptionConfirmation" or not is_amazon(address):
            return False
        await self._fetch(address)
        return True


def is_amazon(address: str) -> bool:
    """Whether the address is SNS's own: nothing else is ever fetched, whatever a call says."""
    return _AMAZON.fullmatch(address) is not None


def _signed_by(certificate: bytes, document: Any) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256
    from cryptography.x509 import load_pem_x509_certificate

    names = _SIGNED.get(text(document, "Type"))
    hashes = {"1": SHA1(), "2": SHA256()}  # noqa: S303  # version 1 is Amazon's choice, and what topics have by default
    kind = hashes.get(text(document, "SignatureVersion"))
    if names is None or kind is None:
        return False
    present = [(name, at(document, name)) for name in names if isinstance(at(document, name), str)]
    canonical = "".join(f"{name}\n{value}\n" for name, value in present).encode("utf-8", "surrogatepass")
    try:
        key = load_pem_x509_certificate(certificate).public_key()
        if not isinstance(key, RSAPublicKey):
            return False
        key.verify(base64.b64decode(text(document, "Signature", longest=2_000)), canonical, PKCS1v15(), kind)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


_KINDS: Mapping[str, Kind] = {
    "Delivery": "delivered",
    "DeliveryDelay": "delayed",
    "Complaint": "complained",
    "Open": "opened",
    "Click": "clicked",
    "Reject": "refused",
}


def reports(notification_id: str, message: Any) -> Iterator[Said]:
    """What SES says in the notification, whether it publishes events or notifications.

    Which message it was is told by its original headers: SES must be set to include them.
    """
    name = text(message, "eventType") or text(message, "notificationType")
    kind = _bounce(message) if name == "Bounce" else _KINDS.get(name)
    identity = _message_id(message)
    if kind is None or not identity:
        return
    part = at(message, name[:1].lower() + name[1:])
    yield Said(
        kind,
        notification_id,
        identity,
        instant(text(part, "timestamp")),
        status=_status(part),
        user_agent=text(part, "userAgent", longest=500) or None,
    )


def _bounce(message: Any) -> Kind:
    """Permanent speaks of the address, unless SES says that it was the content."""
    if text(message, "bounce", "bounceType") != "Permanent":
        return "delayed"
    return "refused" if text(message, "bounce", "bounceSubType") in ("MessageTooLarge", "ContentRejected") else "dead"


def _message_id(message: Any) -> str:
    headers = at(message, "mail", "headers")
    for header in headers if isinstance(headers, list) else ():
        if text(header, "name").lower() == "message-id":
            return our_id(text(header, "value", longest=400))
    return ""


def _status(part: Any) -> str:
    recipients = at(part, "bouncedRecipients") or at(part, "delayedRecipients")
    first = recipients[0] if isinstance(recipients, list) and recipients else None
    return text(first, "status", longest=20)
