"""SMS through a service that options describe."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import ClassVar, Literal
from urllib.parse import quote, urlencode

from pydantic import BaseModel, Field, JsonValue, model_validator

from automation import contracts
from automation.contracts import HandOver
from automation.http.client import Answer, Request
from automation.http.exchange import Undeliverable, exchange, receipt, verdict_of
from automation.http.options import HeaderName
from automation.http.reach import ServiceUrl
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.secret import Secret
from automation_sms.placeholders import fill, fill_json, find, placeholders
from automation_sms.segments import segments
from automation_sms.text import Sms, SmsOptions, read_sms, whole_text

_OF_MESSAGE = ("to", "digits", "text", "id", "from")


class AnswerRule(contracts.Options):
    """One kind of answer and what it means; all that is written must hold."""

    status: tuple[int | Literal["2xx", "3xx", "4xx", "5xx"], ...] = Field(
        default=(), description="the statuses that it holds for; any by default"
    )
    field: str | None = Field(
        default=None, description="a place in the JSON answer, such as `messages.0.status` (items counted from 0)"
    )
    one_of: tuple[str, ...] = Field(default=(), description="what must stand at `field`; anything by default")
    verdict: Literal["sent", "retry", "failed", "ambiguous"] = Field(description="what became of the message")
    suppress: Literal["hard_bounce", "unsubscribed"] | None = Field(
        default=None, description="put the number on the suppression list, for this reason"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> AnswerRule:
        if self.one_of and self.field is None:
            raise ValueError("one_of needs field")
        if self.suppress and self.verdict != "failed":
            raise ValueError("suppress goes with verdict: failed")
        return self

    def holds(self, answer: Answer, said: JsonValue) -> bool:
        """Whether the answer meets the rule. said: the JSON of its body, or None."""
        if self.status and answer.status not in self.status and f"{answer.status // 100}xx" not in self.status:
            return False
        if self.field is None:
            return True
        found = find(said, self.field)
        return found is not None and (not self.one_of or found in self.one_of)


class HttpSmsOptions(SmsOptions):
    """The request as the service wants it, and how its answers are read.

    In `url`, `headers`, `form` and `json_body` these stand for what is sent: `{to}` (the number, `+4930123456`),
    `{digits}` (the same without the plus), `{text}`, `{id}` (the message's id, the same for every attempt), `{from}`
    (`sender`), and every name under `secrets`.
    """

    url: ServiceUrl = Field(description="where the request goes")
    method: Literal["POST", "PUT"] = Field(default="POST", description="how it is sent")
    headers: Mapping[HeaderName, str] = Field(default_factory=dict, description="headers of the request")
    secrets: Mapping[str, Secret] = Field(
        default_factory=dict, description="names that stand for secrets in the request"
    )
    form: Mapping[str, str] | None = Field(default=None, description="the body as a form; it, or `json_body`")
    json_body: Mapping[str, JsonValue] | None = Field(default=None, description="the body as JSON; it, or `form`")
    sender: str = Field(default="", description="what `{from}` stands for: a number or a name")
    idempotency_header: HeaderName | None = Field(
        default=None, description="a header in which the service wants a key that makes repeats one: the message's id"
    )
    provider_id: str | None = Field(
        default=None, description="where in the JSON answer the service's own id stands, such as `messages.0.id`"
    )
    answers: tuple[AnswerRule, ...] = Field(
        default=(),
        description="how answers are read, by `status`, `field`, `one_of`, `verdict`, `suppress`; the first wins",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> HttpSmsOptions:
        if (self.form is None) == (self.json_body is None):
            raise ValueError("write either form or json_body")
        known = {*_OF_MESSAGE, *self.secrets}
        if taken := set(self.secrets) & set(_OF_MESSAGE):
            raise ValueError(f"{{{min(taken)}}} stands for something else already; give the secret another name")
        if unknown := sorted(set(self._named()) - known):
            raise ValueError(f"{{{unknown[0]}}} stands for nothing; there are {', '.join(sorted(known))}")
        if not {"to", "digits"} & set(self._named()):
            raise ValueError("nothing in the request says whom it is for; write {to} or {digits}")
        return self

    def _named(self) -> Iterator[str]:
        parts = (self.url, *self.headers.values(), dict(self.form or {}), dict(self.json_body or {}))
        for part in parts:
            yield from placeholders(part)  # type: ignore[arg-type]


class HttpSmsChannel:
    """Any service that takes an SMS by one HTTP request.

    `answers` says what each answer means; the first rule that holds wins. Where none does, the status decides: 2xx is
    SENT, unless there is a rule for `sent`, which an answer must then meet (else AMBIGUOUS: it was taken, and nobody
    knows as what). 408, 425, 429 and 503 (with their Retry-After) and 401, 403, 407: RETRY. Any other 3xx and 4xx:
    FAILED. Any other 5xx and no answer: AMBIGUOUS, or RETRY for a 5xx where there is an `idempotency_header`. No
    connection: RETURNED. A text of more than `max_segments`, or a number without its country: FAILED, and nothing is
    sent.
    """

    kind: ClassVar[str] = "phone"
    Options: ClassVar[type[BaseModel]] = HttpSmsOptions

    def __init__(self, options: HttpSmsOptions) -> None:
        self.options = options
        self._client = options.client()

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order in which the answers come."""
        return exchange(self._client, messages, self._request, self._judge, hand_over)

    async def close(self) -> None:
        """Close the connections to the service."""
        await self._client.close()

    def _request(self, message: Rendered) -> Request:
        options = self.options
        values = self._values(message, read_sms(message, options))
        headers = {name: _header(fill(value, values)) for name, value in options.headers.items()}
        if options.idempotency_header:
            headers[options.idempotency_header] = message.id
        if options.form is not None:
            body = urlencode({name: fill(value, values) for name, value in options.form.items()}).encode()
            kind = "application/x-www-form-urlencoded"
        else:
            filled = fill_json(dict(options.json_body or {}), values)
            body = json.dumps(filled, ensure_ascii=False).encode()
            kind = "application/json"
        if "content-type" not in (name.lower() for name in headers):
            headers["Content-Type"] = kind
        return Request(fill(options.url, values, lambda value: quote(value, safe="")), body, headers, options.method)

    def _values(self, message: Rendered, sms: Sms) -> dict[str, str]:
        secrets = {name: secret.get_secret_value() for name, secret in self.options.secrets.items()}
        own = {"to": sms.number, "digits": sms.number[1:], "text": sms.text, "id": message.id}
        return {**secrets, **own, "from": self.options.sender}

    def _judge(self, message: Rendered, answer: Answer) -> Receipt:
        said = answer.json()
        rule = next((rule for rule in self.options.answers if rule.holds(answer, said)), None)
        verdict = Verdict(rule.verdict) if rule else self._by_status(answer.status)
        found = find(said, rule.field) if rule and rule.field else None
        detail = f"{answer.status} {found or ''}".strip()
        if verdict is Verdict.SENT:
            detail = str(segments(whole_text(message, self.options)))
        return receipt(
            message,
            verdict,
            detail,
            answer=answer,
            provider_id=find(said, self.options.provider_id) or "" if self.options.provider_id else "",
            suppress=(rule.suppress or "") if rule else "",
        )

    def _by_status(self, status: int) -> Verdict:
        verdict = verdict_of(status, repeatable=self.options.idempotency_header is not None)
        told = any(rule.verdict == "sent" for rule in self.options.answers)
        return Verdict.AMBIGUOUS if verdict is Verdict.SENT and told else verdict


def _header(value: str) -> str:
    """Raises `Undeliverable` for what a header can't hold."""
    if not value.isascii() or not value.isprintable():
        raise Undeliverable("a header of the request would hold what no header may")
    return value
