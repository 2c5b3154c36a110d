"""Messages as signed webhooks: to a printer of letters, a CRM, a list of things to do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field, JsonValue

from automation.contracts import HandOver
from automation.http.client import Answer, Request
from automation.http.exchange import Undeliverable, exchange, receipt, verdict_of
from automation.http.options import HeaderName, ServiceOptions
from automation.http.reach import ServiceUrl
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.secret import Secret
from automation_webhook.signature import read_secret, signed_headers

MAX_BODY = 256 * 1024


def _is_secret(secret: Secret) -> Secret:
    read_secret(secret.get_secret_value())
    return secret


SigningSecret = Annotated[Secret, AfterValidator(_is_secret)]


def _is_line(secret: Secret) -> Secret:
    if not secret.get_secret_value().isascii() or not secret.get_secret_value().isprintable():
        raise ValueError("a header holds one line of ASCII")
    return secret


HeaderSecret = Annotated[Secret, AfterValidator(_is_line)]


class WebhookOptions(ServiceOptions):
    """Where messages go. The secret comes from the environment: `secret: ${WEBHOOK_SECRET}`."""

    url: ServiceUrl = Field(description="where each message is posted")
    secret: SigningSecret = Field(description="the signing secret, `whsec_` and 24 to 64 bytes in base64")
    old_secret: SigningSecret | None = Field(
        default=None, description="the secret before, with which messages are signed as well until all know the new one"
    )
    headers: Mapping[HeaderName, HeaderSecret] = Field(
        default_factory=dict, description="further headers, such as `Authorization`, each from the environment"
    )
    content: Literal["text", "json"] = Field(
        default="text", description="what the template gives: `text`, or `json` for data of your own shape"
    )
    allow_private: bool = Field(default=False, description="allow a receiver in a private network or on this machine")


class WebhookChannel:
    """One POST a message, signed as Standard Webhooks says; the receiver needs no address, and gets the customer's id.

    The body is JSON: `type` (`message`), `timestamp`, and `data` with `message_id`, `customer_id`, `channel`,
    `language`, `subject` and `text`, or `content` instead of `text` where the template writes JSON. The header
    `webhook-id` is the message's id, the same for every attempt, by which a receiver takes repeats for one.

    2xx: SENT. 408, 425, 429 and 503 (with their Retry-After), any other 5xx, and 401, 403, 407: RETRY. Any other
    answer, redirects too, which aren't followed: FAILED. No connection: RETURNED. No answer: AMBIGUOUS. A receiver in a
    private network, unless `allow_private`, and a template that doesn't write JSON where it should: FAILED, and nothing
    is sent.
    """

    kind: ClassVar[str] = "customer"
    Options: ClassVar[type[BaseModel]] = WebhookOptions

    def __init__(self, options: WebhookOptions) -> None:
        self.options = options
        self._client = options.client(public_only=not options.allow_private)
        secrets = (options.secret, options.old_secret)
        self._keys = [read_secret(secret.get_secret_value()) for secret in secrets if secret is not None]
        self._headers = {name: value.get_secret_value() for name, value in options.headers.items()}

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order in which the answers come."""
        return exchange(self._client, messages, self._request, self._judge, hand_over)

    async def close(self) -> None:
        """Close the connections to the receiver."""
        await self._client.close()

    def _request(self, message: Rendered) -> Request:
        said = {"type": "message", "timestamp": message.sent_at.isoformat(), "data": self._data(message)}
        body = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        if len(body) > MAX_BODY:
            raise Undeliverable(f"too long: {len(body)} bytes; {MAX_BODY} are allowed")
        signed = signed_headers(message.id, message.sent_at, body, self._keys)
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
            raise Undeliverable("the template did not write JSON; put values in by `| json`") from None

    def _judge(self, message: Rendered, answer: Answer) -> Receipt:
        verdict = verdict_of(answer.status, repeatable=True)
        detail = "" if verdict is Verdict.SENT else str(answer.status)
        return receipt(message, verdict, detail, answer=answer)
