"""Deliveries through a channel to a real server: the receipts, and what was handed over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from automation.contracts import Channel
from automation.testing.channel import example_messages, record_delivery
from automation.types.message import Receipt, Rendered, Verdict

Answers = tuple[list[Receipt], list[str]]


def delivered(channel: Channel, messages: Sequence[Rendered]) -> Answers:
    """The receipts in the order of the messages, and the ids handed over."""

    async def run() -> Answers:
        answers, handed_over = await record_delivery(channel, messages)
        await channel.close()
        order = [message.id for message in messages]
        return sorted(answers, key=lambda answer: order.index(answer.id)), handed_over

    return asyncio.run(run())


def one(channel: Channel, to: str, **changed: object) -> tuple[Receipt, bool]:
    """The receipt for one example message, and whether it was handed over."""
    (message,) = example_messages(to, 1)
    values = {**message.__dict__, **changed}
    (answer,), handed_over = delivered(channel, [Rendered(**values)])
    return answer, handed_over == [message.id]


def verdict_and_wait(answer: Receipt) -> tuple[Verdict, float | None]:
    return answer.verdict, None if answer.retry_after is None else answer.retry_after.total_seconds()
