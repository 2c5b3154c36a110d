"""`check_channel` passes an honest channel and catches each way of not being one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest
from pydantic import BaseModel

from automation.contracts import Channel, HandOver, Options, Withdrawn
from automation.testing.channel import check_channel
from automation.types.message import Receipt, Rendered, Verdict


class Honest:
    """Everything arrives, unless a control character is in the address or a header."""

    kind: ClassVar[str] = "phone"
    Options: ClassVar[type[BaseModel]] = Options
    verdict = Verdict.SENT

    def __init__(self, options: object = None) -> None:
        self.closed = 0

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        for message in messages:
            with suppress(Withdrawn):
                for receipt in self.answers(message, hand_over):
                    yield receipt

    def answers(self, message: Rendered, hand_over: HandOver) -> Iterator[Receipt]:
        if not self.sound(message):
            yield Receipt(message.id, message.attempt, Verdict.FAILED, "a control character")
            return
        hand_over(message)
        yield self.receipt(message)

    def sound(self, message: Rendered) -> bool:
        return all(text.isprintable() for text in (message.to, *message.headers.values()))

    def receipt(self, message: Rendered) -> Receipt:
        return Receipt(message.id, message.attempt, self.verdict, "taken", "7")

    async def close(self) -> None:
        self.closed += 1


class HandsNothingOver(Honest):
    def answers(self, message: Rendered, hand_over: HandOver) -> Iterator[Receipt]:
        return super().answers(message, lambda _: None)


class HandsOverTwice(Honest):
    def answers(self, message: Rendered, hand_over: HandOver) -> Iterator[Receipt]:
        def twice(message: Rendered) -> None:
            hand_over(message)
            hand_over(message)

        return super().answers(message, twice)


class HandsOverTooLate(Honest):
    def answers(self, message: Rendered, hand_over: HandOver) -> Iterator[Receipt]:
        yield from super().answers(message, lambda _: None)
        hand_over(message)


class SendsWhatIsWithdrawn(Honest):
    def answers(self, message: Rendered, hand_over: HandOver) -> Iterator[Receipt]:
        with suppress(Withdrawn):
            hand_over(message)
        yield from super().answers(message, lambda _: None)


class EndsAtWhatIsWithdrawn(Honest):
    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        for message in messages:
            try:
                receipts = list(self.answers(message, hand_over))
            except Withdrawn:
                return
            for receipt in receipts:
                yield receipt


class HandsOverAnother(Honest):
    def answers(self, message: Rendered, hand_over: HandOver) -> Iterator[Receipt]:
        hand_over(replace(message, id=f"not {message.id}"))
        return super().answers(message, hand_over)


class MayHaveArrivedUnannounced(HandsNothingOver):
    verdict = Verdict.AMBIGUOUS


class ForgetsOne(Honest):
    def answers(self, message: Rendered, hand_over: HandOver) -> Iterator[Receipt]:
        return iter(()) if message.id.endswith("2") else super().answers(message, hand_over)


class AnswersTwice(Honest):
    def answers(self, message: Rendered, hand_over: HandOver) -> Iterator[Receipt]:
        yield from super().answers(message, hand_over)
        yield self.receipt(message)


class AnswersForAnother(Honest):
    def receipt(self, message: Rendered) -> Receipt:
        return Receipt(f"{3:032x}" if message.id.endswith("2") else message.id, message.attempt, Verdict.SENT)


class AnswersAlwaysForTheFirstAttempt(Honest):
    def receipt(self, message: Rendered) -> Receipt:
        return replace(super().receipt(message), attempt=1)


class AnswersUnasked(Honest):
    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        if not messages:
            yield Receipt("none", 1, Verdict.FAILED)
        async for receipt in super().deliver(messages, hand_over):
            yield receipt


class Fails(Honest):
    verdict = Verdict.FAILED


class SpeaksOfTheAddress(Honest):
    def receipt(self, message: Rendered) -> Receipt:
        return replace(super().receipt(message), detail=f"sent to {message.to}")


class SpeaksLong(Honest):
    def receipt(self, message: Rendered) -> Receipt:
        return replace(super().receipt(message), detail="x" * 201)


class SpeaksInLines(Honest):
    def receipt(self, message: Rendered) -> Receipt:
        return replace(super().receipt(message), detail="one\ntwo")


class SuppressesWhatWasSent(Honest):
    def receipt(self, message: Rendered) -> Receipt:
        return replace(super().receipt(message), suppress="hard_bounce")


class SuppressesForItsOwnReason(Honest):
    def receipt(self, message: Rendered) -> Receipt:
        return replace(super().receipt(message), suppress="did_not_like_it")


class WaitsForNothing(Honest):
    def receipt(self, message: Rendered) -> Receipt:
        return replace(super().receipt(message), retry_after=timedelta(1))


class TakesAnyAddress(Honest):
    def sound(self, message: Rendered) -> bool:
        return all(text.isprintable() for text in message.headers.values())


class TakesAnyHeader(Honest):
    def sound(self, message: Rendered) -> bool:
        return message.to.isprintable()


class ClosesOnce(Honest):
    async def close(self) -> None:
        assert not self.closed, "closed already"
        await super().close()


class ClosesOnlyWhatWasUsed(Honest):
    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        self.used = True
        async for receipt in super().deliver(messages, hand_over):
            yield receipt

    async def close(self) -> None:
        assert self.used


class WantsALetterbox(Honest):
    kind: ClassVar[str] = "letter"


class Loose(BaseModel):
    model_config = {"extra": "forbid"}


class Open(BaseModel):
    model_config = {"frozen": True}


class LooseOptions(Honest):
    Options: ClassVar[type[BaseModel]] = Loose


class OpenOptions(Honest):
    Options: ClassVar[type[BaseModel]] = Open


def check(make: Callable[[], Channel]) -> None:
    check_channel(make)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite imports a channel's module in a process of its own, where this one has no name."""
    for channel in (Honest, *MUTANTS):
        monkeypatch.setattr(channel, "__module__", "automation.contracts")


def test_an_honest_channel_passes() -> None:
    check(Honest)


MUTANTS: dict[type[Honest], str] = {
    HandsNothingOver: "must be called before a message may arrive",
    HandsOverTwice: "handed over twice",
    HandsOverTooLate: "must be called before a message may arrive",
    SendsWhatIsWithdrawn: "must not arrive",
    EndsAtWhatIsWithdrawn: "a withdrawn message must not change the others",
    HandsOverAnother: "handed over that was not given",
    MayHaveArrivedUnannounced: "must be called before a message may arrive",
    ForgetsOne: "one receipt for each message",
    AnswersTwice: "one receipt for each message",
    AnswersForAnother: "must be called before a message may arrive",
    AnswersAlwaysForTheFirstAttempt: "one receipt for each message",
    AnswersUnasked: "no messages must give no receipts",
    Fails: "expected sent",
    SpeaksOfTheAddress: "a detail that holds the address",
    SpeaksLong: "a detail of 201 characters; 200 are allowed",
    SpeaksInLines: "a detail that is not one printable line",
    SuppressesWhatWasSent: "suppress without FAILED",
    SuppressesForItsOwnReason: "suppress 'did_not_like_it'; it must be empty or one of",
    WaitsForNothing: "retry_after without RETRY or RETURNED",
    TakesAnyAddress: "a line break in the address must give FAILED",
    TakesAnyHeader: "a line break in a header's value must give FAILED",
    ClosesOnce: "closed already",
    ClosesOnlyWhatWasUsed: "used",
    WantsALetterbox: "kind must be one of",
    LooseOptions: "must be frozen and extra",
    OpenOptions: "must be frozen and extra",
}


@pytest.mark.parametrize(("mutant", "told"), MUTANTS.items(), ids=lambda one: getattr(one, "__name__", None))
def test_a_mutant_is_caught(mutant: type[Honest], told: str) -> None:
    with pytest.raises((AssertionError, AttributeError), match=told):
        check(mutant)


def test_the_verdict_that_the_target_gives_is_held_to() -> None:
    check_channel(MayFail, verdict=Verdict.RETRY)


class MayFail(Honest):
    verdict = Verdict.RETRY


MayFail.__module__ = "automation.contracts"
