"""How much each provider may have on its way, with every instant given."""

from __future__ import annotations

import pytest
from support.grants import grant

from automation.delivery.bulkheads import HELD_AFTER, SLOW_AFTER, Bulkheads
from automation.delivery.executor import GROUP, GROUPS_AT_ONCE
from automation.types.grant import Grant
from automation.types.message import Receipt, Verdict

EMAIL, OTHER = ("email", 0), ("email", 1)
MOST = 2 * GROUP * GROUPS_AT_ONCE


@pytest.fixture
def bulkheads() -> Bulkheads:
    """Two workers, and channels that work on eight messages at once."""
    return Bulkheads(lambda _provider: 8, workers=2)


class Provider:
    """Answers messages in their order, `took` seconds after their grant, and says how many it was given."""

    def __init__(self, bulkheads: Bulkheads, took: float) -> None:
        self.bulkheads, self.took, self.now = bulkheads, took, 100.0
        self.number = 0
        self.owed: list[tuple[float, Grant]] = []

    def go_on(self, seconds: float, *, step: float = 0.01) -> None:
        until = self.now + seconds
        while self.now < until:
            done = [one for due, one in self.owed if due <= self.now]
            self.owed = [(due, one) for due, one in self.owed if due > self.now]
            self.bulkheads.note([Receipt(one.id, 1, Verdict.SENT) for one in done], self.now)
            grants = [self.next(worker) for worker in range(self.bulkheads.room(EMAIL, self.now))]
            self.bulkheads.add(grants, self.now)
            self.owed += [(self.now + self.took, one) for one in grants]
            self.now += step

    def next(self, worker: int) -> Grant:
        self.number += 1
        return grant(self.number)._replace(worker_id=1 + worker % 2)


def test_a_fast_provider_gets_all_the_room(bulkheads: Bulkheads) -> None:
    provider = Provider(bulkheads, took=0.05)
    provider.go_on(2)
    assert len(provider.owed) > MOST - GROUP


def test_a_slow_provider_gets_what_it_works_on_at_once(bulkheads: Bulkheads) -> None:
    """It answers in four seconds, whatever it is given: half a second's worth would be less than its connections."""
    provider = Provider(bulkheads, took=4.0)
    provider.go_on(12, step=0.05)
    assert len(provider.owed) == GROUP
    bulkheads.concurrency = lambda _provider: 100
    provider.go_on(12, step=0.05)
    assert len(provider.owed) == 200


def test_a_provider_that_became_slow_gets_less(bulkheads: Bulkheads) -> None:
    provider = Provider(bulkheads, took=0.05)
    provider.go_on(2)
    provider.took = 2.0
    provider.go_on(8)
    assert len(provider.owed) < MOST // 2


def test_one_that_hangs_is_slowed_down_then_held_and_goes_on_with_its_next_answer(bulkheads: Bulkheads) -> None:
    provider = Provider(bulkheads, took=0.05)
    provider.go_on(1)
    provider.took = 1_000.0
    provider.go_on(1)
    hanging = len(provider.owed)
    assert hanging > MOST - GROUP
    assert bulkheads.silent(provider.now) == {}
    provider.go_on(SLOW_AFTER)
    assert bulkheads.room(EMAIL, provider.now) == 0
    provider.go_on(HELD_AFTER)
    assert list(bulkheads.silent(provider.now)) == [EMAIL]
    assert bulkheads.room(EMAIL, provider.now) == 0
    assert bulkheads.room(OTHER, provider.now) == 2 * GROUP  # which hangs on nobody
    bulkheads.note([Receipt(one.id, 1, Verdict.SENT) for _, one in provider.owed], provider.now)
    assert bulkheads.silent(provider.now) == {}
    assert bulkheads.room(EMAIL, provider.now) >= GROUP


def test_one_that_hangs_with_few_messages_gets_no_more_of_them(bulkheads: Bulkheads) -> None:
    bulkheads.add([grant(n) for n in range(5)], 0.0)
    assert bulkheads.room(EMAIL, SLOW_AFTER) == GROUP - 5
    assert bulkheads.room(EMAIL, HELD_AFTER) == 0


def test_a_time_out_is_no_answer(bulkheads: Bulkheads) -> None:
    """It stays silent until it answers, and is tried by a few messages whenever all others came back."""
    bulkheads.add([grant(1)], 0.0)
    bulkheads.note([Receipt("m1", 1, Verdict.RETRY)], 60.0)
    assert bulkheads.silent(61.0) == {EMAIL: 61.0}
    assert bulkheads.room(EMAIL, 61.0) == GROUP
    bulkheads.add([grant(2), grant(3)], 61.0)
    assert bulkheads.room(EMAIL, 61.0) == 0
    bulkheads.note([Receipt("m2", 1, Verdict.AMBIGUOUS)], 121.0)
    assert bulkheads.silent(121.0) == {EMAIL: 121.0}
    bulkheads.note([Receipt("m3", 1, Verdict.SENT)], 130.0)
    assert bulkheads.silent(130.0) == {}


def test_a_refusal_in_time_is_an_answer(bulkheads: Bulkheads) -> None:
    bulkheads.add([grant(1), grant(2)], 0.0)
    bulkheads.note([Receipt("m1", 1, Verdict.RETRY)], HELD_AFTER - 1)
    assert bulkheads.silent(HELD_AFTER) == {}


def test_a_message_that_was_taken_back_is_no_answer(bulkheads: Bulkheads) -> None:
    bulkheads.add([grant(1), grant(2)], 0.0)
    bulkheads.note([Receipt("m1", 1, Verdict.WITHDRAWN)], HELD_AFTER)
    assert list(bulkheads.silent(HELD_AFTER)) == [EMAIL]
    bulkheads.note([Receipt("m2", 1, Verdict.WITHDRAWN)], HELD_AFTER)
    assert bulkheads.silent(HELD_AFTER) == {}  # it owes nothing any more


def test_a_time_slot_is_not_waited_for_by_the_provider(bulkheads: Bulkheads) -> None:
    bulkheads.add([grant(n)._replace(wait=0.9) for n in range(60)], 0.0)
    bulkheads.note([Receipt(f"m{n}", 1, Verdict.SENT) for n in range(60)], 1.0)
    assert bulkheads.room(EMAIL, 1.0) == 4 * GROUP  # it took a tenth of a second, and was full


def test_what_a_dead_worker_had_is_forgotten(bulkheads: Bulkheads) -> None:
    bulkheads.add([grant(1)._replace(worker_id=1), grant(2)._replace(worker_id=2)], 0.0)
    bulkheads.keep([2], 1.0)
    assert (bulkheads.grant_of("m1"), dict(bulkheads.loads(1))) == (None, {})
    assert (bulkheads.grant_of("m2") is not None, bulkheads.loads(2)) == (True, {EMAIL: 1})
    bulkheads.note([Receipt("m1", 1, Verdict.SENT)], 2.0)  # what its recorder had
    assert bulkheads.loads(2) == {EMAIL: 1}
