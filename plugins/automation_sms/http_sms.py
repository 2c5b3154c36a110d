"""SMS through any service with an HTTP API; the options describe its request and its responses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import ClassVar, Literal
from urllib.parse import quote, urlencode

from pydantic import BaseModel, Field, JsonValue, model_validator

from automation import contracts
from automation.contracts import HandOver
from automation.http.client import Request, Response
from automation.http.options import HeaderName
from automation.http.receipts import classify_status, make_receipt
from automation.http.sending import Undeliverable, send_messages
from automation.http.urls import ServiceUrl
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.secret import Secret
from automation_sms.json_path import read_json_path
from automation_sms.placeholders import fill_json_placeholders, fill_placeholders, find_placeholders
from automation_sms.segments import count_segments
from automation_sms.sms_message import Sms, SmsOptions, add_footer, prepare_sms

_MESSAGE_PLACEHOLDERS = ("to", "digits", "text", "id", "from")


class ResponseRule(contracts.Options):
    """The verdict for one kind of response. A rule matches if all its conditions are met."""

    status: tuple[int | Literal["2xx", "3xx", "4xx", "5xx"], ...] = Field(
        default=(), description="the HTTP statuses that match; by default any"
    )
    field: str | None = Field(
        default=None,
        description="a field of the JSON response that must exist, such as `messages.0.status` (items count from 0)",
    )
    one_of: tuple[str, ...] = Field(default=(), description="the values of `field` that match; by default any")
    verdict: Literal["sent", "retry", "failed", "ambiguous"] = Field(description="the result for the message")
    suppress: Literal["hard_bounce", "unsubscribed"] | None = Field(
        default=None,
        description="add the number to the suppression list, with this reason; only with `verdict: failed`",
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> ResponseRule:
        if self.one_of and self.field is None:
            raise ValueError("one_of needs field")
        if self.suppress and self.verdict != "failed":
            raise ValueError("suppress is allowed only with verdict: failed")
        return self

    def matches(self, response: Response, content: JsonValue) -> bool:
        """Whether the rule matches a response. content: its body as JSON, or None."""
        if self.status and response.status not in self.status and f"{response.status // 100}xx" not in self.status:
            return False
        if self.field is None:
            return True
        value = read_json_path(content, self.field)
        return value is not None and (not self.one_of or value in self.one_of)


class HttpSmsOptions(SmsOptions):
    """The service's request, and how to read its responses.

    `url`, `headers`, `form` and `json_body` can contain placeholders: `{to}` (the number, `+4930123456`), `{digits}`
    (the same without the plus), `{text}`, `{id}` (the message's id, the same for every attempt), `{from}` (`sender`),
    and every name under `secrets`.
    """

    url: ServiceUrl = Field(description="where the request is sent")
    method: Literal["POST", "PUT"] = Field(default="POST", description="the HTTP method")
    headers: Mapping[HeaderName, str] = Field(
        default_factory=dict, description="headers of the request, which can contain placeholders"
    )
    secrets: Mapping[str, Secret] = Field(
        default_factory=dict, description="names of placeholders for secrets in the request"
    )
    form: Mapping[str, str] | None = Field(default=None, description="the body as a form; set either it or `json_body`")
    json_body: Mapping[str, JsonValue] | None = Field(
        default=None, description="the body as JSON; set either it or `form`"
    )
    sender: str = Field(default="", description="the value of `{from}`: a number or a name")
    idempotency_header: HeaderName | None = Field(
        default=None, description="the header for the service's idempotency key; its value is the message's id"
    )
    provider_id: str | None = Field(
        default=None,
        description="the field of the JSON response with the service's message id, such as `messages.0.id`",
    )
    responses: tuple[ResponseRule, ...] = Field(
        default=(),
        description="rules with `status`, `field`, `one_of`, `verdict`, `suppress`; the first match decides",
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> HttpSmsOptions:
        if (self.form is None) == (self.json_body is None):
            raise ValueError("write either form or json_body")
        known = {*_MESSAGE_PLACEHOLDERS, *self.secrets}
        if taken := set(self.secrets) & set(_MESSAGE_PLACEHOLDERS):
            raise ValueError(f"{{{min(taken)}}} is already a placeholder; give the secret another name")
        if unknown := sorted(set(self._used_placeholders()) - known):
            raise ValueError(f"{{{unknown[0]}}} is not a placeholder; available: {', '.join(sorted(known))}")
        if not {"to", "digits"} & set(self._used_placeholders()):
            raise ValueError("the request does not contain the number; write {to} or {digits}")
        return self

    def _used_placeholders(self) -> Iterator[str]:
        parts = (self.url, *self.headers.values(), dict(self.form or {}), dict(self.json_body or {}))
        for part in parts:
            yield from find_placeholders(part)  # type: ignore[arg-type]


class HttpSmsChannel:
    """Any service that accepts an SMS by one HTTP request.

    The first matching rule of `responses` decides the verdict. If none matches, the HTTP status decides. 2xx: SENT, but
    AMBIGUOUS if there is a rule with `verdict: sent`, because the response should have matched it. 408, 425, 429 and
    503 (with their Retry-After) and 401, 403, 407: RETRY. Any other 3xx or 4xx: FAILED. Any other 5xx: AMBIGUOUS, or
    RETRY with an `idempotency_header`. No response: AMBIGUOUS. No connection: RETURNED. Nothing is sent, and the
    verdict is FAILED, for an empty text, more than `max_segments` segments, or a number without a country code.
    """

    kind: ClassVar[str] = "phone"
    Options: ClassVar[type[BaseModel]] = HttpSmsOptions

    def __init__(self, options: HttpSmsOptions) -> None:
        self.options = options
        self._client = options.client()

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """Yields one receipt for each message, in the order of the responses."""
        return send_messages(self._client, messages, self._build_request, self._read_response, hand_over)

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._client.close()

    def _build_request(self, message: Rendered) -> Request:
        options = self.options
        values = self._values(message, prepare_sms(message, options))
        headers = {name: _check_header(fill_placeholders(value, values)) for name, value in options.headers.items()}
        if options.idempotency_header:
            headers[options.idempotency_header] = message.id
        if options.form is not None:
            body = urlencode({name: fill_placeholders(value, values) for name, value in options.form.items()}).encode()
            content_type = "application/x-www-form-urlencoded"
        else:
            filled = fill_json_placeholders(dict(options.json_body or {}), values)
            body = json.dumps(filled, ensure_ascii=False).encode()
            content_type = "application/json"
        if "content-type" not in (name.lower() for name in headers):
            headers["Content-Type"] = content_type
        url = fill_placeholders(options.url, values, lambda value: quote(value, safe=""))
        return Request(url, body, headers, options.method)

    def _values(self, message: Rendered, sms: Sms) -> dict[str, str]:
        secrets = {name: secret.get_secret_value() for name, secret in self.options.secrets.items()}
        own = {"to": sms.number, "digits": sms.number[1:], "text": sms.text, "id": message.id}
        return {**secrets, **own, "from": self.options.sender}

    def _read_response(self, message: Rendered, response: Response) -> Receipt:
        content = response.json()
        rule = next((rule for rule in self.options.responses if rule.matches(response, content)), None)
        verdict = Verdict(rule.verdict) if rule else self._classify(response.status)
        value = read_json_path(content, rule.field) if rule and rule.field else None
        detail = f"{response.status} {value or ''}".strip()
        if verdict is Verdict.SENT:
            detail = str(count_segments(add_footer(message, self.options)))
        return make_receipt(
            message,
            verdict,
            detail,
            response=response,
            provider_id=(read_json_path(content, self.options.provider_id) or "") if self.options.provider_id else "",
            suppress=(rule.suppress or "") if rule else "",
        )

    def _classify(self, status: int) -> Verdict:
        verdict = classify_status(status, idempotent=self.options.idempotency_header is not None)
        has_sent_rule = any(rule.verdict == "sent" for rule in self.options.responses)
        return Verdict.AMBIGUOUS if verdict is Verdict.SENT and has_sent_rule else verdict


def _check_header(value: str) -> str:
    """Raises `Undeliverable` for a value that is not one line of ASCII characters."""
    if not value.isascii() or not value.isprintable():
        raise Undeliverable("a header of the request would not be one line of ASCII characters")
    return value
