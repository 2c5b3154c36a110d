"""Twilio's webhooks: what became of an SMS. Calls are forms, signed with the account's token."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import timedelta

from automation.inbound.provider_reports import ProviderReport, ReportKind
from automation.types.provider_codes import classify_twilio_error
from automation.web.api.webhooks.payload import parse_message_id

_FAILURES = ("undelivered", "failed")
BELIEVED_FOR = timedelta(days=6)
"""A call has no time of its own. A report is recognised when it comes again, for a week; Twilio needs two days at most
for a message."""


def verify_signature(auth_token: str, url: str, form: Mapping[str, str], signature: str) -> bool:
    """Whether the account's owner signed this address and this form (HMAC-SHA1, Twilio's scheme)."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    expected = base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest())
    return hmac.compare_digest(expected, signature.encode("utf-8", "replace"))


def parse_reports(form: Mapping[str, str], message_id: str) -> Iterator[ProviderReport]:
    """The report in a status callback, if it is final; `message_id` comes from the address that Twilio called."""
    status, code = form.get("MessageStatus", ""), form.get("ErrorCode", "")
    kind: ReportKind
    if status == "delivered":
        kind = "delivered"
    elif status in _FAILURES:
        kind = classify_twilio_error(code)
    else:
        return
    report_id = f"{form.get('MessageSid', '')[:64]}:{status}"
    yield ProviderReport(
        kind, parse_message_id(message_id), "twilio", report_id, "phone", status=code[:10], within=BELIEVED_FOR
    )
