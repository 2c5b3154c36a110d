"""Turns a service's response into the receipt of a message."""

from __future__ import annotations

import re

from automation.http.client import Response
from automation.types.message import Receipt, Rendered, Verdict

_LONG_NUMBER = re.compile(r"\+?\d[\d ().-]{5,}\d")
_ADDRESS = re.compile(r"\S*@\S*")
_MAX_INPUT = 2000
"""Characters of a service's text that are searched; it may be one word of 256 KB."""
_NOT_PROCESSED = (408, 425, 429, 503)
_WRONG_CREDENTIALS = (401, 403, 407)


def classify_status(status: int, *, idempotent: bool = False) -> Verdict:
    """The verdict for an HTTP status. `idempotent`: the service recognises a repeated request.

    2xx: SENT. 408, 425, 429 and 503 (not processed) and 401, 403 and 407 (wrong credentials, which an admin can
    correct): RETRY. Any other 3xx or 4xx: FAILED. Any other 5xx: AMBIGUOUS, because the service may have accepted the
    message before the error; RETRY if `idempotent`.
    """
    if 200 <= status < 300:
        return Verdict.SENT
    if status in _NOT_PROCESSED or status in _WRONG_CREDENTIALS:
        return Verdict.RETRY
    if 300 <= status < 500:
        return Verdict.FAILED
    return Verdict.RETRY if idempotent else Verdict.AMBIGUOUS


def make_receipt(
    message: Rendered,
    verdict: Verdict,
    detail: str = "",
    *,
    response: Response | None = None,
    provider_id: str = "",
    suppress: str = "",
) -> Receipt:
    """The receipt of a message. Addresses are removed from `detail`; `retry_after` comes from the response.

    suppress: a reason code, which adds the address to the suppression list; only with FAILED.
    """
    retried = response is not None and verdict in (Verdict.RETRY, Verdict.RETURNED)
    return Receipt(
        message.id,
        message.attempt,
        verdict,
        redact_addresses(detail, message.to),
        provider_id=_printable(provider_id)[:100],
        retry_after=response.retry_after(message.sent_at) if retried and response else None,
        suppress=suppress,
    )


def redact_addresses(text: str, to: str) -> str:
    """At most 200 printable characters, with the address `to` and anything that looks like an address replaced."""
    text = text[:_MAX_INPUT]
    text = text.replace(to, "<address>") if to else text
    text = _ADDRESS.sub("<address>", text)
    text = _LONG_NUMBER.sub("<number>", text)
    return _printable(text)[:200]


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
