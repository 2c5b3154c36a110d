"""Receipts from the responses of services."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from automation.http.client import Response
from automation.http.receipts import classify_status, make_receipt, redact_addresses
from automation.testing.channel import example_messages
from automation.types.message import Verdict

(MESSAGE,) = example_messages("ana@example.org", 1)


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((200, 201, 202, 204), Verdict.SENT),
        ((401, 403, 407, 408, 425, 429, 503), Verdict.RETRY),
        ((301, 302, 307, 400, 404, 405, 409, 410, 413, 422, 451), Verdict.FAILED),
        ((500, 501, 502, 504, 520, 599, 600), Verdict.AMBIGUOUS),
    ],
)
def test_the_verdict_for_a_status(statuses: tuple[int, ...], verdict: Verdict) -> None:
    for status in statuses:
        assert classify_status(status) is verdict, status
        expected = Verdict.RETRY if verdict is Verdict.AMBIGUOUS else verdict
        assert classify_status(status, idempotent=True) is expected, status


def test_only_a_retry_has_retry_after() -> None:
    response = Response(429, {"retry-after": "7"}, b"")
    assert make_receipt(MESSAGE, Verdict.RETRY, response=response).retry_after == timedelta(seconds=7)
    assert make_receipt(MESSAGE, Verdict.FAILED, response=response).retry_after is None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("no such user ana@example.org", "no such user <address>"),
        ("'To' +49 (40) 123-456 is not valid", "'To' <number> is not valid"),
        ("code 21211", "code 21211"),
        ("token dEaD:x1 is gone", "token <address> is gone"),
        ("two\r\nlines", "two  lines"),
        ("x" * 300, "x" * 200),
    ],
)
def test_addresses_are_redacted(text: str, clean: str) -> None:
    assert redact_addresses(text, "dEaD:x1") == clean


@pytest.mark.parametrize("text", ["x" * 300_000, "1" * 300_000, "1 " * 150_000, "@" * 300_000, "+1" * 150_000])
def test_a_very_long_word_is_redacted_in_linear_time(text: str) -> None:
    """Takes milliseconds of this thread's processor time; backtracking would take minutes."""
    started = time.thread_time()
    assert len(redact_addresses(text, "dEaD:x1")) <= 200
    assert time.thread_time() - started < 5.0
