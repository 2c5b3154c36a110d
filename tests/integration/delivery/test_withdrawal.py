"""A message that is taken back after it was granted: it does not leave, whatever its channel makes of that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel
from support.scripted_channel import scripted, sent
from support.toy_project import account_of, deliver, start, toy_project

from automation.contracts import HandOver, Options, may_leave
from automation.store import pauses
from automation.store.ledger import decisions
from automation.store.people import consent, suppressions
from automation.testing.toy_shop import toy_customers
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.run import Account
from automation.workspace.workspace import Workspace


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def customer_of(toy: Workspace, message: Rendered) -> str:
    with toy.store.reading() as connection:
        (row,) = [row for row in decisions.find(connection) if row.message_id == message.id]
    return row.customer_id


def withdraw_consent(toy: Workspace, customers: Sequence[str]) -> None:
    with toy.store.transaction() as connection:
        consent.record(
            connection, customers, channel="email", topic="promotions", granted=False, at=toy.clock.now(), source="page"
        )


def everybody_else(toy: Workspace, first: Rendered) -> list[str]:
    mine = customer_of(toy, first)
    with toy.store.reading() as connection:
        return [row.customer_id for row in decisions.find(connection) if row.customer_id != mine]


def at_the_first(act: Callable[[Rendered], None]) -> tuple[Callable[[Rendered, int], Receipt], list[str]]:
    """An answer that sends every message, and does something while the first one leaves; the ids that left."""
    left: list[str] = []

    def answer(message: Rendered, _provider: int) -> Receipt:
        left.append(message.id)
        if len(left) == 1:
            act(message)
        return sent(message)

    return answer, left


def test_who_unsubscribes_meanwhile_gets_nothing(toy: Workspace) -> None:
    run_id = start(toy)
    answer, left = at_the_first(lambda message: withdraw_consent(toy, everybody_else(toy, message)))
    deliver(toy, make=scripted(answer))
    assert len(left) == 1
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=1, suppressed=4)


def test_an_address_that_is_suppressed_meanwhile_gets_nothing(toy: Workspace) -> None:
    run_id = start(toy)
    addresses = toy_customers()["email"].drop_nulls().to_list()

    def suppress(_message: Rendered) -> None:
        with toy.store.transaction() as connection:
            suppressions.suppress(
                connection, addresses, channel="email", reason="manual", source="admin", now=toy.clock.now()
            )

    answer, left = at_the_first(suppress)
    deliver(toy, make=scripted(answer))
    assert len(left) == 1
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=1, suppressed=4)


def test_what_is_stopped_meanwhile_stays_queued_and_leaves_once_it_is_resumed(toy: Workspace) -> None:
    run_id = start(toy)

    def stop(_message: Rendered) -> None:
        with toy.store.transaction() as connection:
            pauses.stop(connection, "toy", by="admin", now=toy.clock.now())

    answer, left = at_the_first(stop)
    deliver(toy, make=scripted(answer))
    assert len(left) == 1
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=1, queued=4)
    with toy.store.transaction() as connection:
        pauses.resume(connection, ["toy"])
    deliver(toy, make=scripted(sent))
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=5)
    with toy.store.reading() as connection:
        attempts = connection.exec_driver_sql("SELECT DISTINCT attempt FROM message_status").scalars().all()
    assert attempts == [1]  # what was taken back was not an attempt


def test_another_campaigns_stop_changes_nothing(toy: Workspace) -> None:
    run_id = start(toy)

    def stop(_message: Rendered) -> None:
        with toy.store.transaction() as connection:
            pauses.stop(connection, "other", by="admin", now=toy.clock.now())

    answer, left = at_the_first(stop)
    deliver(toy, make=scripted(answer))
    assert len(left) == 5
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=5)


class Careless:
    """A channel that knows nothing of `Withdrawn`, so that it ends there; and one that asks before."""

    kind: ClassVar[str] = "email"
    Options: ClassVar[type[BaseModel]] = Options

    def __init__(self, toy: Workspace, *, asks: bool) -> None:
        self.toy = toy
        self.asks = asks
        self.left: list[str] = []

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        for message in messages:
            if self.asks and not may_leave(hand_over)(message):
                continue
            hand_over(message)
            self.left.append(message.id)
            if len(self.left) == 1:
                withdraw_consent(self.toy, everybody_else(self.toy, message)[:2])
            yield Receipt(message.id, message.attempt, Verdict.SENT)

    async def close(self) -> None: ...


@pytest.mark.parametrize("asks", [False, True])
def test_a_channel_that_does_not_know_it_sends_nothing_either(toy: Workspace, *, asks: bool) -> None:
    """One that ends there sends the others in the next attempt."""
    run_id = start(toy)
    channel = Careless(toy, asks=asks)
    deliver(toy, make=lambda _name, _provider: channel)
    deliver(toy, make=lambda _name, _provider: channel, after=timedelta(minutes=2))
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, sent=3, suppressed=2)
    assert len(channel.left) == len(set(channel.left)) == 3
