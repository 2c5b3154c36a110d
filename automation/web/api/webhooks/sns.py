"""Amazon SNS: verifies the signature of what it posts, with a certificate that is fetched from Amazon."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import structlog

from automation.web.api.webhooks.payload import parse_time, read_field, read_text
from automation.web.api.webhooks.sns_certificates import Fetch, SnsCertificates

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

log = structlog.get_logger(__name__)

VALID_FOR = timedelta(hours=1)
"""SNS tries to deliver for an hour; what is older, or as far ahead, could be a replay."""
_ARN = re.compile(r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{2,30}):[0-9]{12}:[A-Za-z0-9._-]{1,256}", re.ASCII)
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem", re.ASCII)
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_TO_SIGN_BETTER = "aws sns set-topic-attributes --topic-arn {arn} --attribute-name SignatureVersion --attribute-value 2"


@dataclass(frozen=True)
class TopicHost:
    """Where the SNS of a topic's region is, and the names that its certificates may have."""

    host: str
    names: frozenset[str]


def find_host(arn: str) -> TopicHost | None:
    """The host of a topic; None for what is no ARN of a topic."""
    found = _ARN.fullmatch(arn)
    if found is None:
        return None
    partition, region = found.groups()
    domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    names = {f"sns.{region}.{domain}", f"sns-signing.{region}.{domain}"}
    names |= {
        "aws": {f"sns.{domain}"},
        "aws-cn": {f"sns-{region}.{domain}"},
        "aws-us-gov": {f"sns-us-gov-west-1.{domain}"},
    }[partition]
    return TopicHost(f"sns.{region}.{domain}", frozenset(names))


class Sns:
    """Verifies what SNS sends. roots: the authorities to trust, by default the system's."""

    def __init__(self, fetch: Fetch, roots: Callable[[], Sequence[Certificate]] | None = None) -> None:
        self._fetch = fetch
        self._certificates = SnsCertificates(fetch, roots)

    async def verify_signature(
        self, document: Any, topics: tuple[str, ...], now: datetime, *, allow_sha1: bool = False
    ) -> bool:
        """Whether Amazon signed it for one of our topics within the last hour. Raises `OSError` if the certificate
        can't be fetched."""
        arn, address = (
            read_text(document, "TopicArn", longest=300),
            read_text(document, "SigningCertURL", longest=2_000),
        )
        place, at = find_host(arn), parse_time(read_text(document, "Timestamp"))
        if arn not in topics or place is None or not is_certificate_url(address, place):
            return False
        if at is None or abs(now - at) > VALID_FOR:
            return False
        if read_text(document, "SignatureVersion") != "2" and not allow_sha1:
            log.warning(
                "a notification is signed with SHA-1 and was refused", to_change=_TO_SIGN_BETTER.format(arn=arn)
            )
            return False
        certificate = await self._certificates.find(address, place.names, now)
        return certificate is not None and _signed_by(certificate, document)

    async def confirm_subscription(self, document: Any) -> bool:
        """Confirm a subscription that SNS offers, once its signature is verified; returns whether the document was such
        an offer. Raises `OSError`."""
        arn, address = read_text(document, "TopicArn", longest=300), read_text(document, "SubscribeURL", longest=2_000)
        place = find_host(arn)
        if read_text(document, "Type") != "SubscriptionConfirmation" or place is None:
            return False
        token = read_text(document, "Token", longest=1_000)
        if not is_subscribe_url(address, place, arn, token):
            return False
        await self._fetch(address)
        return True


def is_certificate_url(address: str, place: TopicHost) -> bool:
    """Whether it is exactly where SNS keeps the certificates of this region; no other is ever fetched."""
    prefix = f"https://{place.host}"
    return address.startswith(prefix) and _CERTIFICATE.fullmatch(address[len(prefix) :]) is not None


def is_subscribe_url(address: str, place: TopicHost, arn: str, token: str) -> bool:
    """Whether it confirms this subscription at this region's SNS, and does nothing else."""
    if not address.isascii() or not address.startswith(f"https://{place.host}/?"):
        return False
    expected = {"Action": ["ConfirmSubscription"], "TopicArn": [arn], "Token": [token]}
    parts = urlsplit(address)
    return not parts.fragment and bool(token) and parse_qs(parts.query, keep_blank_values=True) == expected


def _signed_by(certificate: Certificate, document: Any) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    names = _SIGNED.get(read_text(document, "Type"))
    hashes = {"1": SHA1(), "2": SHA256()}  # noqa: S303  # version 1 only where config.yaml allows it
    kind = hashes.get(read_text(document, "SignatureVersion"))
    if names is None or kind is None:
        return False
    present = [(name, read_field(document, name)) for name in names if isinstance(read_field(document, name), str)]
    canonical = "".join(f"{name}\n{value}\n" for name, value in present).encode("utf-8", "surrogatepass")
    try:
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            return False
        key.verify(base64.b64decode(read_text(document, "Signature", longest=2_000)), canonical, PKCS1v15(), kind)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
