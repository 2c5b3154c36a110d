"""SMS through Twilio's REST API."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from pydantic import BaseModel, Field, model_validator

from automation.contracts import HandOver
from automation.http.client import Answer, NotSent, Request, instant
from automation.http.exchange import Undeliverable, exchange, receipt, verdict_of
from automation.http.reach import ServiceUrl
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.provider_codes import classify_twilio_error
from automation.types.secret import Secret
from automation_sms.segments import segments
from automation_sms.text import SmsOptions, read_sms, whole_text

_SUPPRESS = {"dead_address": "hard_bounce", "opted_out": "unsubscribed", "refused": ""}
_LATER = (14107, 20429, 20503, 21611, 30001)
"""Rate exceeded, too many requests, unavailable, the sender's queue is full, queue overflow."""
_OK = 200
_LISTED = 50
"""A number's last messages that are looked through."""
_SKEW = timedelta(minutes=1)
_CLOCKS_APART = timedelta(hours=1)
_TAKEN_WITHIN = timedelta(minutes=15)
_CERTAIN_AFTER = timedelta(minutes=2)


class TwilioOptions(SmsOptions):
    """The account, and whom messages are from. The token comes from the environment: `auth_token: ${TWILIO_TOKEN}`."""

    account_sid: Annotated[str, Field(pattern="^AC[0-9a-zA-Z]+$")] = Field(description="the account, `AC…`")
    auth_token: Secret = Field(description="the account's token, or the secret of `api_key`")
    api_key: Annotated[str, Field(pattern="^SK[0-9a-zA-Z]+$")] | None = Field(
        default=None, description="an API key, `SK…`, to log in with instead of the account"
    )
    messaging_service: Annotated[str, Field(pattern="^MG[0-9a-zA-Z]+$")] | None = Field(
        default=None, description="the messaging service that sends, `MG…`; it, or `sender`"
    )
    sender: str | None = Field(default=None, description="the number or name that sends; it, or `messaging_service`")
    status_callback: ServiceUrl | None = Field(
        default=None, description="where Twilio reports what became of a message; `{id}` stands for the message's id"
    )
    url: ServiceUrl = Field(default="https://api.twilio.com", description="another region's address of the API")

    @model_validator(mode="after")
    def _one_sender(self) -> TwilioOptions:
        if (self.messaging_service is None) == (self.sender is None):
            raise ValueError("write either messaging_service or sender")
        return self


class TwilioChannel:
    """Twilio's Messages resource; it takes a message now and reports its delivery later, to `status_callback`.

    SENT: Twilio took it and gave it an id, which is the receipt's `provider_id`; `detail` says how many segments it is.
    RETRY: too many requests (429, with its Retry-After), unavailable (503), a full queue, or credentials that Twilio
    doesn't take. FAILED: any other 4xx; the address is suppressed as `unsubscribed` where the customer has replied STOP
    (21610), and as `hard_bounce` where it is no mobile number (21211, 21214, 21217, 21614). A text of more than
    `max_segments`, or a number without its country: FAILED, and nothing is sent. RETURNED: no connection. AMBIGUOUS: no
    answer, an answer that isn't Twilio's, or 500, 502 and 504: Twilio has no idempotency key, so that after these
    nobody can know whether the message was taken, and a repeat could arrive twice. `resolve` asks Twilio later, for
    campaigns that say `on_ambiguous: resolve`.
    """

    kind: ClassVar[str] = "phone"
    Options: ClassVar[type[BaseModel]] = TwilioOptions

    def __init__(self, options: TwilioOptions) -> None:
        self.options = options
        self._client = options.client()

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order in which the answers come."""
        return exchange(self._client, messages, self._request, self._judge, hand_over)

    async def close(self) -> None:
        """Close the connections to Twilio."""
        await self._client.close()

    async def resolve(self, messages: Sequence[Rendered]) -> list[Receipt]:
        """What Twilio's list of the number's last messages says of each, two minutes after it was sent.

        SENT or FAILED where it holds the message, RETRY where it holds none at all of that time. Nothing where it can't
        be asked, or holds another text: a messaging service may have put in other letters or shorter links.
        """
        found = []
        for message in messages:
            try:
                number = read_sms(message, self.options).number
                listed = f"{self._messages}?{urlencode({'To': number, 'PageSize': _LISTED})}"
                answer = await self._client.fetch(listed, headers=self._login)
            except (NotSent, Undeliverable):
                continue
            said = self._listed(message, answer)
            if said is not None:
                found.append(said)
        return found

    def _listed(self, message: Rendered, answer: Answer) -> Receipt | None:
        """The message, by its text and the minutes after it was granted; its absence, whatever the clocks differ by."""
        said = answer.json()
        entries = said.get("messages") if answer.status == _OK and isinstance(said, dict) else None
        if not isinstance(entries, list):
            return None
        text, any_of_then = whole_text(message, self.options), False
        for entry in entries:
            fields = entry if isinstance(entry, dict) else {}
            created = instant(str(fields.get("date_created")))
            if created is None or created - message.sent_at > -_CLOCKS_APART:
                any_of_then = True
            same = str(fields.get("body")).endswith(text)  # a trial account writes something before it
            if same and created is not None and -_SKEW < created - message.sent_at < _TAKEN_WITHIN:
                return self._taken(message, fields)
        full = len(entries) >= _LISTED
        if full or any_of_then or answer.date is None or answer.date - message.sent_at < _CERTAIN_AFTER:
            return None
        return receipt(message, Verdict.RETRY, "Twilio never got it")

    @property
    def _messages(self) -> str:
        return f"{self.options.url.rstrip('/')}/2010-04-01/Accounts/{self.options.account_sid}/Messages.json"

    @property
    def _login(self) -> dict[str, str]:
        login = f"{self.options.api_key or self.options.account_sid}:{self.options.auth_token.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}", "Accept": "application/json"}

    def _request(self, message: Rendered) -> Request:
        options, sms = self.options, read_sms(message, self.options)
        form = {"To": sms.number, "Body": sms.text}
        if options.messaging_service is not None:
            form["MessagingServiceSid"] = options.messaging_service
        else:
            form["From"] = options.sender or ""
        if options.status_callback is not None:
            form["StatusCallback"] = options.status_callback.replace("{id}", message.id)
        headers = {**self._login, "Content-Type": "application/x-www-form-urlencoded"}
        return Request(self._messages, urlencode(form).encode(), headers)

    def _judge(self, message: Rendered, answer: Answer) -> Receipt:
        said = answer.json()
        fields = said if isinstance(said, dict) else {}
        verdict = verdict_of(answer.status)
        if verdict is Verdict.SENT:
            return self._taken(message, fields)
        code = fields.get("code")
        if code in _LATER:
            verdict = Verdict.RETRY
        suppress = _SUPPRESS[classify_twilio_error(str(code))]
        detail = f"{code or answer.status} {fields.get('message') or ''}".strip()
        if suppress:
            verdict = Verdict.FAILED
        return receipt(message, verdict, detail, answer=answer, suppress=suppress)

    def _taken(self, message: Rendered, fields: Mapping[str, object]) -> Receipt:
        identity = fields.get("sid")
        if not isinstance(identity, str):
            return receipt(message, Verdict.AMBIGUOUS, "taken, but the answer is not Twilio's")
        if fields.get("status") == "failed":
            detail = f"{fields.get('error_code') or 'failed'} {fields.get('error_message') or ''}".strip()
            return receipt(message, Verdict.FAILED, detail, provider_id=identity)
        counted = segments(whole_text(message, self.options))
        return receipt(message, Verdict.SENT, str(counted), provider_id=identity)
