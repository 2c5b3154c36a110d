"""Receipts for what services answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from automation.http.client import Answer
from automation.http.exchange import Undeliverable, each, receipt, refuse_control, verdict_of, without_addresses
from automation.testing.channel import example_messages
from automation.types.message import Receipt, Rendered, Verdict

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
def test_what_a_status_says(statuses: tuple[int, ...], verdict: Verdict) -> None:
    for status in statuses:
        assert verdict_of(status) is verdict, status
        expected = Verdict.RETRY if verdict is Verdict.AMBIGUOUS else verdict
        assert verdict_of(status, repeatable=True) is expected, status


def test_a_receipt_waits_only_where_there_is_another_time() -> None:
    answer = Answer(429, {"retry-after": "7"}, b"")
    assert receipt(MESSAGE, Verdict.RETRY, answer=answer).retry_after == timedelta(seconds=7)
    assert receipt(MESSAGE, Verdict.FAILED, answer=answer).retry_after is None


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
def test_details_hold_no_address(text: str, clean: str) -> None:
    assert without_addresses(text, "dEaD:x1") == clean


@pytest.mark.parametrize("text", ["x" * 300_000, "1" * 300_000, "1 " * 150_000, "@" * 300_000, "+1" * 150_000])
def test_a_detail_of_one_endless_word_is_cut_in_linear_time(text: str) -> None:
    """In milliseconds of this thread's own processor time; backtracking would take minutes."""
    started = time.thread_time()
    assert len(without_addresses(text, "dEaD:x1")) <= 200
    assert time.thread_time() - started < 5.0


@pytest.mark.parametrize(
    "broken",
    [replace(MESSAGE, to="a\nb"), replace(MESSAGE, id="a\x00"), replace(MESSAGE, headers={"X": "a\u2028b"})],
)
def test_control_characters_are_refused(broken: Rendered) -> None:
    refuse_control(MESSAGE)
    with pytest.raises(Undeliverable, match="control character"):
        refuse_control(broken)


def test_messages_are_on_their_way_together_but_not_too_many() -> None:
    now, most = 0, 0

    async def deliver_one(message: Rendered) -> Receipt:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return receipt(message, Verdict.SENT)

    async def run() -> list[Receipt]:
        return [one async for one in each(example_messages("a@b.example", 10), deliver_one, at_once=3)]

    assert len(asyncio.run(run())) == 10
    assert most == 3


def test_one_that_raises_takes_no_other_with_it() -> None:
    messages = example_messages("a@b.example", 5)
    found: list[str] = []

    async def deliver_one(message: Rendered) -> Receipt:
        await asyncio.sleep(0)
        if message is messages[1]:
            raise RuntimeError("a mistake")
        return receipt(message, Verdict.SENT)

    async def listen() -> None:
        async for one in each(messages, deliver_one, at_once=2):
            found.append(one.id)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(RuntimeError, match="a mistake"):
        asyncio.run(listen())
    assert sorted(found) == sorted(message.id for message in messages if message is not messages[1])


def test_what_is_on_its_way_is_cut_when_nobody_listens_any_more() -> None:
    cut: list[str] = []

    async def deliver_one(message: Rendered) -> Receipt:
        try:
            await asyncio.sleep(0 if message.id.endswith("1") else 30)
        except asyncio.CancelledError:
            cut.append(message.id)
            raise
        return receipt(message, Verdict.SENT)

    async def run() -> None:
        answers = each(example_messages("a@b.example", 3), deliver_one, at_once=3)
        await anext(answers)
        await answers.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())
    assert len(cut) == 2
