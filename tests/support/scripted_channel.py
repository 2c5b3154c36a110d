"""A channel whose receipts a test decides, one message after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import ClassVar

from pydantic import BaseModel

from automation.contracts import Channel, HandOver, Options, Withdrawn
from automation.types.message import Receipt, Rendered, Verdict

Answer = Callable[[Rendered, int], Receipt | None]
"""The receipt for a message and the number of the provider that got it; None: no receipt."""


class ScriptedChannel:
    """Hands over each message, unless `hands_over` is False, and gives the receipt that `answer` decides."""

    kind: ClassVar[str] = "email"
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, answer: Answer, provider: int = 0, *, hands_over: bool = True) -> None:
        self.answer = answer
        self.provider = provider
        self.hands_over = hands_over

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        for message in messages:
            if self.hands_over:
                try:
                    hand_over(message)
                except Withdrawn:
                    continue
            receipt = self.answer(message, self.provider)
            if receipt is not None:
                yield receipt

    async def close(self) -> None: ...


def scripted(answer: Answer, *, hands_over: bool = True) -> Callable[[str, int], Channel]:
    """Makes such a channel for each name and provider."""
    return lambda _name, provider: ScriptedChannel(answer, provider, hands_over=hands_over)


def sent(message: Rendered, _provider: int = 0) -> Receipt:
    return Receipt(message.id, message.attempt, Verdict.SENT)
