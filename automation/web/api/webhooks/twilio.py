"""Twilio: what became of an SMS, and what customers answer. Calls are forms, signed with the account's token."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping

from automation.inbound.provider_reports import Kind, Said, our_id

DEAD = frozenset({"30005", "30006", "21211", "21614"})
"""Error codes that speak of the number itself: unknown, a landline or out of reach for good, not a number."""
_OPTED_OUT = "21610"
_KINDS: Mapping[str, Kind] = {"delivered": "delivered", "undelivered": "refused", "failed": "refused"}


def genuine(auth_token: str, url: str, form: Mapping[str, str], signature: str) -> bool:
    """Whether the account's owner signed this address and this form (HMAC-SHA1, Twilio's scheme)."""
    signed = url + "".join(name + form[name] for name in sorted(form))
    expected = base64.b64encode(hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest())
    return hmac.compare_digest(expected, signature.encode("utf-8", "replace"))


def reports(form: Mapping[str, str], message_id: str) -> Iterator[Said]:
    """What a status callback says; `message_id` stood in the address that it was asked to call."""
    status, code = form.get("MessageStatus", ""), form.get("ErrorCode", "")
    kind = _KINDS.get(status)
    if kind is None:
        return
    if code in DEAD:
        kind = "dead"
    elif code == _OPTED_OUT:
        kind = "unsubscribed"
    yield Said(kind, f"{form.get('MessageSid', '')[:64]}:{status}", our_id(message_id), status=code[:10])
