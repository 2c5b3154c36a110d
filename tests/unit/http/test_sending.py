"""Concurrent deliveries, and messages that are refused before they are sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from automation.http.receipts import make_receipt
from automation.http.sending import Undeliverable, deliver_concurrently, reject_control_characters
from automation.testing.channel import example_messages
from automation.types.message import Receipt, Rendered, Verdict

(MESSAGE,) = example_messages("ana@example.org", 1)


@pytest.mark.parametrize(
    "broken",
    [replace(MESSAGE, to="a\nb"), replace(MESSAGE, id="a\x00"), replace(MESSAGE, headers={"X": "a\u2028b"})],
)
def test_control_characters_are_refused(broken: Rendered) -> None:
    reject_control_characters(MESSAGE)
    with pytest.raises(Undeliverable, match="control character"):
        reject_control_characters(broken)


def test_deliveries_are_concurrent_up_to_the_limit() -> None:
    now, most = 0, 0

    async def deliver_one(message: Rendered) -> Receipt:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return make_receipt(message, Verdict.SENT)

    async def run() -> list[Receipt]:
        return [
            receipt async for receipt in deliver_concurrently(example_messages("a@b.example", 10), deliver_one, limit=3)
        ]

    assert len(asyncio.run(run())) == 10
    assert most == 3


def test_an_error_does_not_stop_the_other_deliveries() -> None:
    messages = example_messages("a@b.example", 5)
    delivered: list[str] = []

    async def deliver_one(message: Rendered) -> Receipt:
        await asyncio.sleep(0)
        if message is messages[1]:
            raise RuntimeError("a mistake")
        return make_receipt(message, Verdict.SENT)

    async def run() -> None:
        async for receipt in deliver_concurrently(messages, deliver_one, limit=2):
            delivered.append(receipt.id)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(RuntimeError, match="a mistake"):
        asyncio.run(run())
    assert sorted(delivered) == sorted(message.id for message in messages if message is not messages[1])


def test_deliveries_are_cancelled_when_the_caller_stops() -> None:
    cancelled: list[str] = []

    async def deliver_one(message: Rendered) -> Receipt:
        try:
            await asyncio.sleep(0 if message.id.endswith("1") else 30)
        except asyncio.CancelledError:
            cancelled.append(message.id)
            raise
        return make_receipt(message, Verdict.SENT)

    async def run() -> None:
        receipts = deliver_concurrently(example_messages("a@b.example", 3), deliver_one, limit=3)
        await anext(receipts)
        await receipts.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())
    assert len(cancelled) == 2
