"""Push messages to browsers by Web Push, without an account at a push provider (RFC 8030, 8291, 8292)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, field_validator

from automation.contracts import HandOver
from automation.http.client import Request, Response
from automation.http.options import ServiceOptions
from automation.http.receipts import classify_status, make_receipt
from automation.http.sending import Undeliverable, send_messages
from automation.http.urls import split_url
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.quantity import Duration
from automation.types.secret import Secret
from automation_push.encryption import MAX_PLAINTEXT, encrypt
from automation_push.jwt import decode_base64url, encode_base64url, sign_es256
from automation_push.notification import read_notification

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256 (FIPS 186-5); a valid private key is below it."""
TOKEN_LIFETIME = timedelta(hours=12)
"""How long a VAPID token is valid; the standard allows 24 hours."""


class WebPushOptions(ServiceOptions):
    """The sender's identity (VAPID), with the key from the environment: `private_key: ${VAPID_PRIVATE_KEY}`."""

    private_key: Secret = Field(description="the VAPID private key: 32 bytes in base64url")
    contact: Annotated[str, Field(pattern=r"^(mailto:\S+@\S+|https://\S+)$")] = Field(
        description="where a push service can contact you: `mailto:…` or `https://…`"
    )
    ttl: Duration = Field(
        default=timedelta(days=1), description="how long the push service keeps a message for a browser that is offline"
    )
    urgency: Literal["very-low", "low", "normal", "high"] = Field(
        default="normal",
        description="the urgency (RFC 8030); a device that saves battery may delay less urgent messages",
    )
    allow_private: bool = Field(
        default=False, description="allow endpoints in private networks and without TLS; for tests only"
    )

    @field_validator("private_key")
    @classmethod
    def _check_private_key(cls, key: Secret) -> Secret:
        try:
            raw = decode_base64url(key.get_secret_value().strip())
        except ValueError:
            raw = b""
        if len(raw) != 32 or not 0 < int.from_bytes(raw, "big") < _ORDER:
            raise ValueError("not a VAPID private key; expected 32 bytes in base64url, which are 43 characters")
        return key


@dataclass(frozen=True)
class Subscription:
    """A browser's subscription: the push service's URL for it, its public key (`p256dh`) and its secret (`auth`)."""

    endpoint: str
    public_key: bytes
    auth_secret: bytes

    @property
    def origin(self) -> str:
        """The push service's origin, `https://host`: the audience of its VAPID tokens."""
        parts = split_url(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}".lower()


class WebPushChannel:
    """Web Push. The address is the browser's subscription as JSON: `{"endpoint", "keys": {"p256dh", "auth"}}`.

    The text is encrypted for the browser (RFC 8291); requests are authenticated by a VAPID token (RFC 8292) of 12
    hours. The browser gets JSON with `id`, `title`, `body` and `url`. A repeat has the same `Topic`, so that it
    replaces a message that the push service still holds.

    2xx: SENT. 404 and 410: FAILED, and the address is suppressed as `dead_token`. 408, 425, 429 and 503 (with their
    Retry-After), any other 5xx, 401, 403 and 407: RETRY. No connection: RETRY too, counted as an attempt, because the
    endpoint is the customer's own. Any other status: FAILED. No response: AMBIGUOUS. Nothing is sent, and the verdict
    is FAILED, for an invalid subscription, an endpoint in a private network or without TLS (unless `allow_private`),
    and a message of more than 3,993 bytes as JSON.
    """

    kind: ClassVar[str] = "push"
    Options: ClassVar[type[BaseModel]] = WebPushOptions

    def __init__(self, options: WebPushOptions) -> None:
        self.options = options
        self._client = options.client(public_only=not options.allow_private)
        self._tokens: dict[str, tuple[float, str]] = {}

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """Yields one receipt for each message, in the order of the responses."""
        return send_messages(
            self._client, messages, self._build_request, self._read_response, hand_over, when_not_sent=Verdict.RETRY
        )

    async def close(self) -> None:
        """Close the connections to the push services."""
        await self._client.close()

    def _build_request(self, message: Rendered) -> Request:
        subscription = read_subscription(message.to)
        if not self.options.allow_private and not subscription.endpoint.startswith("https://"):
            raise Undeliverable("the endpoint does not begin with https://")
        plaintext = _encode_payload(message)
        try:
            body = encrypt(plaintext, subscription.public_key, subscription.auth_secret)
        except ValueError:
            raise Undeliverable("not a push subscription: invalid keys") from None
        headers = {
            "Authorization": f"vapid t={self._token(message, subscription.origin)}, k={self._public}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(int(self.options.ttl.total_seconds())),
            "Urgency": self.options.urgency,
            "Topic": message.id[:32],
        }
        return Request(subscription.endpoint, body, headers)

    def _read_response(self, message: Rendered, response: Response) -> Receipt:
        if response.status in (404, 410):
            return make_receipt(
                message, Verdict.FAILED, f"{response.status} the subscription is gone", suppress="dead_token"
            )
        verdict = classify_status(response.status, idempotent=True)
        if verdict is Verdict.SENT:
            return make_receipt(message, verdict)
        text = response.body[:150].decode("utf-8", "replace")
        return make_receipt(message, verdict, f"{response.status} {text}".strip(), response=response)

    def _token(self, message: Rendered, origin: str) -> str:
        """The VAPID token for a push service; a token is reused for half of its lifetime."""
        now = message.sent_at.timestamp()
        created, token = self._tokens.get(origin, (0.0, ""))
        if not created <= now < created + TOKEN_LIFETIME.total_seconds() / 2:
            expires = int(now + TOKEN_LIFETIME.total_seconds())
            token = sign_es256({"aud": origin, "exp": expires, "sub": self.options.contact}, self._key)
            if len(self._tokens) > 1000:  # origins come from customers' data, so their number is unbounded
                self._tokens.clear()
            self._tokens[origin] = (now, token)
        return token

    @cached_property
    def _key(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec

        raw = decode_base64url(self.options.private_key.get_secret_value().strip())
        return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())

    @cached_property
    def _public(self) -> str:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return encode_base64url(self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def read_subscription(text: str) -> Subscription:
    """Parse the JSON of a browser's `PushSubscription`; the keys may also stand beside `endpoint`.

    Raises `Undeliverable`.
    """
    try:
        content: Mapping[str, Any] = json.loads(text)
        keys = content.get("keys", content)
        endpoint = str(content["endpoint"])
        split_url(endpoint)
        return Subscription(endpoint, decode_base64url(str(keys["p256dh"])), decode_base64url(str(keys["auth"])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Undeliverable("not a push subscription") from None


def _encode_payload(message: Rendered) -> bytes:
    shown = read_notification(message)
    payload = {"id": message.id, "title": shown.title, "body": shown.text, "url": shown.link}
    plaintext = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    if len(plaintext) > MAX_PLAINTEXT:
        raise Undeliverable(f"too long: {len(plaintext)} bytes; at most {MAX_PLAINTEXT} are allowed")
    return plaintext
