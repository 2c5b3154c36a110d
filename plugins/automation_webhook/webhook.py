"""Messages as signed webhooks, for a letter printing service, a CRM or a call list."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field, JsonValue

from automation.contracts import HandOver
from automation.http.client import Request, Response
from automation.http.options import HeaderName, ServiceOptions
from automation.http.receipts import classify_status, make_receipt
from automation.http.sending import Undeliverable, send_messages
from automation.http.urls import ServiceUrl
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.secret import Secret
from automation_webhook.signature import decode_secret, sign_headers

MAX_BODY = 256 * 1024


def _check_secret(secret: Secret) -> Secret:
    decode_secret(secret.get_secret_value())
    return secret


SigningSecret = Annotated[Secret, AfterValidator(_check_secret)]


def _check_header_value(secret: Secret) -> Secret:
    if not secret.get_secret_value().isascii() or not secret.get_secret_value().isprintable():
        raise ValueError("a header value must be one line of ASCII characters")
    return secret


HeaderSecret = Annotated[Secret, AfterValidator(_check_header_value)]


class WebhookOptions(ServiceOptions):
    """The receiver, and the secret that signs, from the environment: `secret: ${WEBHOOK_SECRET}`."""

    url: ServiceUrl = Field(description="where each message is posted")
    secret: SigningSecret = Field(description="the signing secret: `whsec_` and 24 to 64 bytes in base64")
    previous_secret: SigningSecret | None = Field(
        default=None, description="the previous secret; while it is set, messages are signed with both secrets"
    )
    headers: Mapping[HeaderName, HeaderSecret] = Field(
        default_factory=dict, description="more headers, such as `Authorization`; each value comes from the environment"
    )
    content: Literal["text", "json"] = Field(
        default="text", description="what the template produces: `text`, or `json` for data in your own format"
    )
    allow_private: bool = Field(default=False, description="allow a receiver in a private network or on this machine")


class WebhookChannel:
    """Posts each message to a URL, signed as Standard Webhooks requires. The address is the customer's id.

    The body is JSON: `type` (`message`), `timestamp`, and `data` with `message_id`, `customer_id`, `channel`,
    `language`, `subject` and `text`; with `content: json`, `content` instead of `text`. The header `webhook-id` is the
    message's id, the same for every attempt, so that the receiver can ignore repeats.

    2xx: SENT. 408, 425, 429 and 503 (with their Retry-After), any other 5xx, and 401, 403, 407: RETRY. Any other
    status: FAILED; redirects are not followed. No connection: RETURNED. No response: AMBIGUOUS. Nothing is sent, and
    the verdict is FAILED, if the receiver is in a private network (unless `allow_private`), if the body exceeds 256 KB,
    or if `content: json` is set and the template did not produce JSON.
    """

    kind: ClassVar[str] = "customer"
    Options: ClassVar[type[BaseModel]] = WebhookOptions

    def __init__(self, options: WebhookOptions) -> None:
        self.options = options
        self._client = options.client(public_only=not options.allow_private)
        secrets = (options.secret, options.previous_secret)
        self._keys = [decode_secret(secret.get_secret_value()) for secret in secrets if secret is not None]
        self._headers = {name: value.get_secret_value() for name, value in options.headers.items()}

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """Yields one receipt for each message, in the order of the responses."""
        return send_messages(self._client, messages, self._build_request, self._read_response, hand_over)

    async def close(self) -> None:
        """Close the connections to the receiver."""
        await self._client.close()

    def _build_request(self, message: Rendered) -> Request:
        payload = {"type": "message", "timestamp": message.sent_at.isoformat(), "data": self._data(message)}
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        if len(body) > MAX_BODY:
            raise Undeliverable(f"too long: {len(body)} bytes; at most {MAX_BODY} are allowed")
        signed = sign_headers(message.id, message.sent_at, body, self._keys)
        headers = {**self._headers, "content-type": "application/json", **signed}
        return Request(self.options.url, body, headers)

    def _data(self, message: Rendered) -> dict[str, JsonValue]:
        data: dict[str, JsonValue] = {
            "message_id": message.id,
            "customer_id": message.to,
            "channel": message.channel,
            "language": message.language,
            "subject": message.subject,
        }
        if self.options.content == "text":
            return {**data, "text": message.text}
        try:
            return {**data, "content": json.loads(message.text)}
        except (ValueError, RecursionError):
            raise Undeliverable("the template did not produce JSON; insert values with `| json`") from None

    def _read_response(self, message: Rendered, response: Response) -> Receipt:
        verdict = classify_status(response.status, idempotent=True)
        detail = "" if verdict is Verdict.SENT else str(response.status)
        return make_receipt(message, verdict, detail, response=response)
