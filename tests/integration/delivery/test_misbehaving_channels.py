"""Channels that raise, forget receipts, invent them, hang or can't be created: every message stays accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel
from support.toy_project import account_of, deliver, delivery_of, start, toy_project

from automation.contracts import Channel, HandOver, Options
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.run import Account
from automation.workspace.workspace import Workspace

Behaviour = Literal["raises", "raises at once", "forgets", "lies"]


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


class Misbehaving:
    """Hands over its messages and then fails in one way."""

    kind: ClassVar[str] = "email"
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        if self.behaviour == "raises at once":
            raise RuntimeError("the provider's library broke")
        for message in messages:
            hand_over(message)
        if self.behaviour == "forgets":
            yield Receipt(messages[0].id, 1, Verdict.SENT)
        if self.behaviour == "lies":
            yield Receipt("0" * 32, 1, Verdict.SENT)
            yield Receipt(messages[0].id, 9, Verdict.SENT)
        if self.behaviour == "raises":
            raise RuntimeError("the provider's library broke")

    async def close(self) -> None: ...


class Hanging:
    """Reports two messages as sent, and then nothing more."""

    kind: ClassVar[str] = "email"
    Options: ClassVar[type[BaseModel]] = Options

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        for message in messages:
            hand_over(message)
        for message in messages[:2]:
            yield Receipt(message.id, 1, Verdict.SENT)
        await asyncio.Event().wait()

    async def close(self) -> None: ...


def always(channel: Channel) -> Callable[[str, int], Channel]:
    return lambda _name, _provider: channel


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("raises", Account(audience=6, unreachable=1, ambiguous=5)),
        ("raises at once", Account(audience=6, unreachable=1, queued=5)),
        ("forgets", Account(audience=6, unreachable=1, ambiguous=4, sent=1)),
        ("lies", Account(audience=6, unreachable=1, ambiguous=5)),
    ],
)
def test_a_channel_that_misbehaves_leaves_nothing_unaccounted(
    toy: Workspace, behaviour: Behaviour, expected: Account
) -> None:
    run_id = start(toy)
    deliver(toy, make=always(Misbehaving(behaviour)))
    assert account_of(toy, run_id) == expected


def test_a_channel_that_cannot_be_created_loses_nothing(toy: Workspace) -> None:
    def broken(_name: str, _provider: int) -> Channel:
        raise OSError("no route to host")

    run_id = start(toy)
    assert deliver(toy, make=broken).sent == 0
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, queued=5)
    assert deliver(toy, after=timedelta(minutes=5)).sent == 5


def test_receipts_that_came_before_a_delivery_was_cancelled_are_kept(toy: Workspace) -> None:
    """Two receipts come and are committed without waiting for the group; the other three may have arrived."""
    run_id = start(toy)

    async def cancel_after_two_receipts() -> None:
        delivering = asyncio.create_task(delivery_of(toy, always(Hanging())).deliver_due())
        async with asyncio.timeout(60):
            while account_of(toy, run_id).sent < 2:
                await asyncio.sleep(0.02)
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=2, sending=3)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering

    asyncio.run(cancel_after_two_receipts())
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=2, ambiguous=3)
