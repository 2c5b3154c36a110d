"""SMS through Twilio's REST API."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from pydantic import BaseModel, Field, model_validator

from automation.contracts import HandOver
from automation.http.client import NotSent, Request, Response, parse_http_date
from automation.http.receipts import classify_status, make_receipt
from automation.http.sending import Undeliverable, send_messages
from automation.http.urls import ServiceUrl
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.provider_codes import classify_twilio_error
from automation.types.secret import Secret
from automation_sms.segments import count_segments
from automation_sms.sms_message import SmsOptions, add_footer, prepare_sms

_SUPPRESS = {"dead_address": "hard_bounce", "opted_out": "unsubscribed", "refused": ""}
_RETRY_CODES = (14107, 20429, 20503, 21611, 30001)
"""Rate exceeded, too many requests, service unavailable, the sender's queue is full, queue overflow."""
_OK = 200
_PAGE_SIZE = 50
"""How many of a number's latest messages are searched."""
_CLOCK_SKEW = timedelta(minutes=1)
_MAX_CLOCK_SKEW = timedelta(hours=1)
"""Assumed before a message counts as never received."""
_ACCEPTED_WITHIN = timedelta(minutes=15)
_LISTED_AFTER = timedelta(minutes=2)
"""A message that Twilio accepted is in its list after this time."""


class TwilioOptions(SmsOptions):
    """The account and the sender. The token comes from the environment: `auth_token: ${TWILIO_TOKEN}`."""

    account_sid: Annotated[str, Field(pattern="^AC[0-9a-zA-Z]+$")] = Field(description="the account's SID, `AC…`")
    auth_token: Secret = Field(description="the account's auth token, or the secret of `api_key`")
    api_key: Annotated[str, Field(pattern="^SK[0-9a-zA-Z]+$")] | None = Field(
        default=None, description="the SID of an API key, `SK…`, to authenticate with instead of the account"
    )
    messaging_service: Annotated[str, Field(pattern="^MG[0-9a-zA-Z]+$")] | None = Field(
        default=None, description="the SID of the messaging service that sends, `MG…`; set either it or `sender`"
    )
    sender: str | None = Field(
        default=None, description="the number or name that sends; set either it or `messaging_service`"
    )
    status_callback: ServiceUrl | None = Field(
        default=None, description="where Twilio posts delivery reports; `{id}` is replaced by the message's id"
    )
    url: ServiceUrl = Field(
        default="https://api.twilio.com", description="the base URL of the API, to use another region"
    )

    @model_validator(mode="after")
    def _one_sender(self) -> TwilioOptions:
        if (self.messaging_service is None) == (self.sender is None):
            raise ValueError("write either messaging_service or sender")
        return self


class TwilioChannel:
    """Twilio's Messages resource. Twilio accepts a message first and reports its delivery later, to `status_callback`.

    SENT: Twilio accepted the message; `provider_id` is its SID, and `detail` the number of segments. RETRY: too many
    requests (429, with its Retry-After), unavailable (503), a full queue, or rejected credentials. FAILED: any other
    4xx; the address is suppressed as `unsubscribed` if the customer has replied STOP (21610), and as `hard_bounce` if
    it is not a mobile number (21211, 21214, 21217, 21614). RETURNED: no connection. AMBIGUOUS: no response, a response
    without a SID, or any other 5xx: Twilio has no idempotency key, so it is unknown whether it accepted the message,
    and a repeat could arrive twice. `resolve` asks Twilio later, for campaigns with `on_ambiguous: resolve`. Nothing is
    sent, and the verdict is FAILED, for an empty text, more than `max_segments` segments, or a number without a country
    code.
    """

    kind: ClassVar[str] = "phone"
    Options: ClassVar[type[BaseModel]] = TwilioOptions

    def __init__(self, options: TwilioOptions) -> None:
        self.options = options
        self._client = options.client()

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """Yields one receipt for each message, in the order of the responses."""
        return send_messages(self._client, messages, self._build_request, self._read_response, hand_over)

    async def close(self) -> None:
        """Close the connections to Twilio."""
        await self._client.close()

    async def resolve(self, messages: Sequence[Rendered]) -> list[Receipt]:
        """Look up each message in Twilio's list of the number's latest messages.

        SENT or FAILED if the list contains the message. RETRY if two minutes after sending it contains no message of
        that time. No receipt if the list can't be read, or if it contains another text of that time: a messaging
        service may have replaced characters or shortened links.
        """
        receipts = []
        for message in messages:
            try:
                number = prepare_sms(message, self.options).number
                url = f"{self._messages_url}?{urlencode({'To': number, 'PageSize': _PAGE_SIZE})}"
                response = await self._client.fetch(url, headers=self._login)
            except (NotSent, Undeliverable):
                continue
            receipt = self._find_in_list(message, response)
            if receipt is not None:
                receipts.append(receipt)
        return receipts

    def _find_in_list(self, message: Rendered, response: Response) -> Receipt | None:
        """The receipt if the message is listed (same text and time) or no message of that time is listed; else None."""
        content = response.json()
        entries = content.get("messages") if response.status == _OK and isinstance(content, dict) else None
        if not isinstance(entries, list):
            return None
        text, any_of_that_time = add_footer(message, self.options), False
        for entry in entries:
            fields = entry if isinstance(entry, dict) else {}
            created = parse_http_date(str(fields.get("date_created")))
            if created is None or created - message.sent_at > -_MAX_CLOCK_SKEW:
                any_of_that_time = True
            same = str(fields.get("body")).endswith(text)  # a trial account adds a prefix
            if same and created is not None and -_CLOCK_SKEW < created - message.sent_at < _ACCEPTED_WITHIN:
                return self._accepted(message, fields)
        full = len(entries) >= _PAGE_SIZE
        if full or any_of_that_time or response.date is None or response.date - message.sent_at < _LISTED_AFTER:
            return None
        return make_receipt(message, Verdict.RETRY, "Twilio did not receive the message")

    @property
    def _messages_url(self) -> str:
        return f"{self.options.url.rstrip('/')}/2010-04-01/Accounts/{self.options.account_sid}/Messages.json"

    @property
    def _login(self) -> dict[str, str]:
        login = f"{self.options.api_key or self.options.account_sid}:{self.options.auth_token.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}", "Accept": "application/json"}

    def _build_request(self, message: Rendered) -> Request:
        options, sms = self.options, prepare_sms(message, self.options)
        form = {"To": sms.number, "Body": sms.text}
        if options.messaging_service is not None:
            form["MessagingServiceSid"] = options.messaging_service
        else:
            form["From"] = options.sender or ""
        if options.status_callback is not None:
            form["StatusCallback"] = options.status_callback.replace("{id}", message.id)
        headers = {**self._login, "Content-Type": "application/x-www-form-urlencoded"}
        return Request(self._messages_url, urlencode(form).encode(), headers)

    def _read_response(self, message: Rendered, response: Response) -> Receipt:
        content = response.json()
        fields = content if isinstance(content, dict) else {}
        verdict = classify_status(response.status)
        if verdict is Verdict.SENT:
            return self._accepted(message, fields)
        code = fields.get("code")
        if code in _RETRY_CODES:
            verdict = Verdict.RETRY
        suppress = _SUPPRESS[classify_twilio_error(str(code))]
        detail = f"{code or response.status} {fields.get('message') or ''}".strip()
        if suppress:
            verdict = Verdict.FAILED
        return make_receipt(message, verdict, detail, response=response, suppress=suppress)

    def _accepted(self, message: Rendered, fields: Mapping[str, object]) -> Receipt:
        sid = fields.get("sid")
        if not isinstance(sid, str):
            return make_receipt(message, Verdict.AMBIGUOUS, "accepted, but the response has no SID")
        if fields.get("status") == "failed":
            detail = f"{fields.get('error_code') or 'failed'} {fields.get('error_message') or ''}".strip()
            return make_receipt(message, Verdict.FAILED, detail, provider_id=sid)
        segments = count_segments(add_footer(message, self.options))
        return make_receipt(message, Verdict.SENT, str(segments), provider_id=sid)
