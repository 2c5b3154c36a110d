"""Push messages to browsers, without a service of our own between (RFC 8030, 8291, 8292)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, field_validator

from automation.contracts import HandOver
from automation.http.client import Answer, Request
from automation.http.exchange import Undeliverable, exchange, receipt, verdict_of
from automation.http.options import ServiceOptions
from automation.http.reach import split_url
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.quantity import Duration
from automation.types.secret import Secret
from automation_push.content import read_notification
from automation_push.encryption import MAX_PLAIN, encrypt
from automation_push.tokens import base64url, es256, from_base64url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (FIPS 186-5): every key is below it."""
TOKEN_LASTS = timedelta(hours=12)
"""How long a VAPID token holds; 24 hours are allowed."""


class WebPushOptions(ServiceOptions):
    """Who sends. The key comes from the environment: `private_key: ${VAPID_PRIVATE_KEY}`."""

    private_key: Secret = Field(description="the VAPID private key, 32 bytes in base64url")
    contact: Annotated[str, Field(pattern=r"^(mailto:\S+@\S+|https://\S+)$")] = Field(
        description="whom a push service may write to: `mailto:…` or `https://…`"
    )
    ttl: Duration = Field(default=timedelta(days=1), description="how long a message waits for a browser that is off")
    urgency: Literal["very-low", "low", "normal", "high"] = Field(
        default="normal", description="how much battery it is worth"
    )
    allow_private: bool = Field(
        default=False, description="allow endpoints in private networks and without TLS; for tests only"
    )

    @field_validator("private_key")
    @classmethod
    def _is_key(cls, key: Secret) -> Secret:
        try:
            raw = from_base64url(key.get_secret_value().strip())
        except ValueError:
            raw = b""
        if len(raw) != 32 or not 0 < int.from_bytes(raw, "big") < _ORDER:
            raise ValueError("not a VAPID private key: 32 bytes in base64url, 43 characters")
        return key


@dataclass(frozen=True)
class Subscription:
    """Where a browser listens, and its keys."""

    endpoint: str
    public: bytes
    secret: bytes

    @property
    def origin(self) -> str:
        """The push service's origin, `https://host`, which its tokens name as their audience."""
        parts = split_url(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}".lower()


class WebPushChannel:
    """Web Push; the address is the browser's subscription as JSON: `{"endpoint", "keys": {"p256dh", "auth"}}`.

    The text is encrypted for the browser (RFC 8291), and the push service knows us by a VAPID token (RFC 8292) of 12
    hours. The browser gets JSON with `id`, `title`, `body` and `url`. A repeat carries the same `Topic`, so that a
    message that still waits is replaced and not doubled.

    2xx: SENT. 404 and 410: FAILED, and the address is suppressed as `dead_token`. 429 and 503, with their Retry-After,
    any other 5xx, 401 and 403, or no connection: RETRY; the endpoint is the customer's own, so it counts as an attempt.
    Any other answer: FAILED. No answer: AMBIGUOUS. An endpoint in a private network or without TLS, what is no
    subscription, and a text of more than 3,993 bytes as JSON: FAILED, and nothing is sent.
    """

    kind: ClassVar[str] = "push"
    Options: ClassVar[type[BaseModel]] = WebPushOptions

    def __init__(self, options: WebPushOptions) -> None:
        self.options = options
        self._client = options.client(public_only=not options.allow_private)
        self._tokens: dict[str, tuple[float, str]] = {}

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order in which the answers come."""
        return exchange(self._client, messages, self._request, self._judge, hand_over, unsent=Verdict.RETRY)

    async def close(self) -> None:
        """Close the connections to the push services."""
        await self._client.close()

    def _request(self, message: Rendered) -> Request:
        subscription = read_subscription(message.to)
        if not self.options.allow_private and not subscription.endpoint.startswith("https://"):
            raise Undeliverable("the endpoint is not https")
        plain = _payload(message)
        try:
            body = encrypt(plain, subscription.public, subscription.secret)
        except ValueError:
            raise Undeliverable("not a push subscription: its keys are not valid") from None
        headers = {
            "Authorization": f"vapid t={self._token(message, subscription.origin)}, k={self._public}",
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(int(self.options.ttl.total_seconds())),
            "Urgency": self.options.urgency,
            "Topic": message.id[:32],
        }
        return Request(subscription.endpoint, body, headers)

    def _judge(self, message: Rendered, answer: Answer) -> Receipt:
        if answer.status in (404, 410):
            return receipt(message, Verdict.FAILED, f"{answer.status} the subscription is gone", suppress="dead_token")
        verdict = verdict_of(answer.status, repeatable=True)
        if verdict is Verdict.SENT:
            return receipt(message, verdict)
        said = answer.body[:150].decode("utf-8", "replace")
        return receipt(message, verdict, f"{answer.status} {said}".strip(), answer=answer)

    def _token(self, message: Rendered, origin: str) -> str:
        """A token for the push service, used until half of its life is over."""
        now = message.sent_at.timestamp()
        made, token = self._tokens.get(origin, (0.0, ""))
        if not made <= now < made + TOKEN_LASTS.total_seconds() / 2:
            expires = int(now + TOKEN_LASTS.total_seconds())
            token = es256({"aud": origin, "exp": expires, "sub": self.options.contact}, self._key)
            if len(self._tokens) > 1000:  # endpoints are the customers' data
                self._tokens.clear()
            self._tokens[origin] = (now, token)
        return token

    @cached_property
    def _key(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec

        raw = from_base64url(self.options.private_key.get_secret_value().strip())
        return ec.derive_private_key(int.from_bytes(raw, "big"), ec.SECP256R1())

    @cached_property
    def _public(self) -> str:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return base64url(self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def read_subscription(text: str) -> Subscription:
    """The JSON of a browser's `PushSubscription`, its keys also beside the endpoint. Raises `Undeliverable`."""
    try:
        said: Mapping[str, Any] = json.loads(text)
        keys = said.get("keys", said)
        endpoint = str(said["endpoint"])
        split_url(endpoint)
        return Subscription(endpoint, from_base64url(str(keys["p256dh"])), from_base64url(str(keys["auth"])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Undeliverable("not a push subscription") from None


def _payload(message: Rendered) -> bytes:
    shown = read_notification(message)
    said = {"id": message.id, "title": shown.title, "body": shown.text, "url": shown.link}
    plain = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    if len(plain) > MAX_PLAIN:
        raise Undeliverable(f"too long: {len(plain)} bytes; {MAX_PLAIN} are allowed")
    return plain
