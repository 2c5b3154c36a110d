"""Amazon SES through SNS: notifications, signed with a certificate that is fetched from Amazon."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from automation.inbound.provider_reports import ProviderReport, ReportKind
from automation.web.api.webhooks.payload import parse_message_id, parse_time, read_field, read_text

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets the content of a web address of Amazon. Raises `OSError`."""

_AMAZON = re.compile(r"https://sns\.[a-z0-9-]{2,30}\.amazonaws\.com(?:\.cn)?/[A-Za-z0-9._~/?&=%+:-]{1,1500}", re.ASCII)
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_MAX_CERTIFICATES = 8


class Sns:
    """Verifies what SNS sends; keeps the few certificates that it has fetched."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._certificates: dict[str, bytes] = {}

    async def verify_signature(self, document: Any, topics: tuple[str, ...]) -> bool:
        """Whether Amazon signed it for one of our topics. Raises `OSError` if the certificate can't be fetched."""
        address = read_text(document, "SigningCertURL", longest=2_000)
        if read_text(document, "TopicArn", longest=300) not in topics or not is_amazon(address):
            return False
        if not address.partition("?")[0].endswith(".pem"):
            return False
        if address not in self._certificates:
            certificate = await self._fetch(address)
            while len(self._certificates) >= _MAX_CERTIFICATES:
                del self._certificates[next(iter(self._certificates))]
            self._certificates[address] = certificate
        return _signed_by(self._certificates[address], document)

    async def confirm_subscription(self, document: Any) -> bool:
        """Confirm a subscription that SNS offers; returns whether the document was such an offer. Raises `OSError`."""
        address = read_text(document, "SubscribeURL", longest=2_000)
        if read_text(document, "Type") != "SubscriptionConfirmation" or not is_amazon(address):
            return False
        await self._fetch(address)
        return True


def is_amazon(address: str) -> bool:
    """Whether the address is SNS's own; no other is ever fetched."""
    return _AMAZON.fullmatch(address) is not None


def _signed_by(certificate: bytes, document: Any) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256
    from cryptography.x509 import load_pem_x509_certificate

    names = _SIGNED.get(read_text(document, "Type"))
    hashes = {"1": SHA1(), "2": SHA256()}  # noqa: S303  # version 1 is Amazon's choice, and what topics have by default
    kind = hashes.get(read_text(document, "SignatureVersion"))
    if names is None or kind is None:
        return False
    present = [(name, read_field(document, name)) for name in names if isinstance(read_field(document, name), str)]
    canonical = "".join(f"{name}\n{value}\n" for name, value in present).encode("utf-8", "surrogatepass")
    try:
        key = load_pem_x509_certificate(certificate).public_key()
        if not isinstance(key, RSAPublicKey):
            return False
        key.verify(base64.b64decode(read_text(document, "Signature", longest=2_000)), canonical, PKCS1v15(), kind)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


_KINDS: Mapping[str, ReportKind] = {
    "Delivery": "delivered",
    "DeliveryDelay": "delayed",
    "Complaint": "complaint",
    "Open": "opened",
    "Click": "clicked",
    "Reject": "refused",
}
_PERMANENT: Mapping[str, ReportKind] = {
    "MessageTooLarge": "refused",
    "ContentRejected": "refused",
    "UnsubscribedRecipient": "unsubscribed",
}
"""What a permanent bounce says, by its subtype; any other one concerns the address."""


def parse_reports(notification_id: str, message: Any) -> Iterator[ProviderReport]:
    """The report in an event or a notification of SES, if it is one that counts.

    The original headers say which message it is about: SES must be set to include them.
    """
    name = read_text(message, "eventType") or read_text(message, "notificationType")
    kind, message_id = _classify(name, message), _find_message_id(message)
    if kind is None or not message_id:
        return
    part = read_field(message, name[:1].lower() + name[1:])
    yield ProviderReport(
        kind,
        message_id,
        "ses",
        notification_id,
        at=parse_time(read_text(part, "timestamp")),
        status=_read_status(part),
        user_agent=read_text(part, "userAgent", longest=500) or None,
    )


def _classify(name: str, message: Any) -> ReportKind | None:
    if name != "Bounce":
        return _KINDS.get(name)
    if read_text(message, "bounce", "bounceType") != "Permanent":
        return "delayed"
    return _PERMANENT.get(read_text(message, "bounce", "bounceSubType"), "dead_address")


def _find_message_id(message: Any) -> str:
    headers = read_field(message, "mail", "headers")
    for header in headers if isinstance(headers, list) else ():
        if read_text(header, "name").lower() == "message-id":
            return parse_message_id(read_text(header, "value", longest=400))
    return ""


def _read_status(part: Any) -> str:
    """The status of the first recipient, or the type of a complaint."""
    recipients = read_field(part, "bouncedRecipients") or read_field(part, "delayedRecipients")
    first = recipients[0] if isinstance(recipients, list) and recipients else None
    return read_text(first, "status", longest=20) or read_text(part, "complaintFeedbackType", longest=20)
