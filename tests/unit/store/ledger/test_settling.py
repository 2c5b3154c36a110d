"""Results settle messages, whatever happens to the processes that sent them."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
import sqlalchemy as sa
from support.ledger import NOW, account, allow, plan_run, tick

from automation.store.engine import Store, table
from automation.store.ledger import cap_slots, queues, settling, workers
from automation.store.ledger.settling import MAX_ATTEMPTS
from automation.store.tables import Coupon, MessageStatus
from automation.types.grant import Grant
from automation.types.message import Receipt, Verdict
from automation.types.run import Account

CUSTOMERS = [f"c{n}" for n in range(10)]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.SENT, Account(audience=1, sent=1)),
        (Verdict.FAILED, Account(audience=1, failed=1)),
        (Verdict.AMBIGUOUS, Account(audience=1, ambiguous=1)),
        (Verdict.RETRY, Account(audience=1, queued=1)),
    ],
)
def test_each_verdict_leads_to_its_state(store: Store, verdict: Verdict, expected: Account) -> None:
    run_id = plan_run(store, ["c1"])
    allow(store, CUSTOMERS)
    (grant,) = tick(store).grants
    tick(store, results=[Receipt(grant.id, 1, verdict, "250 ok")], want=0)
    assert account(store, run_id) == expected


def test_a_retry_waits_longer_each_time_and_gives_up(store: Store) -> None:
    run_id = plan_run(store, ["c1"], expires_at=None)
    allow(store, CUSTOMERS)
    waited = timedelta(0)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (grant,) = tick(store, after=waited).grants
        assert grant.attempt == attempt
        receipt = Receipt(grant.id, attempt, Verdict.RETRY, "451 later")
        assert not tick(store, results=[receipt], after=waited).grants
        assert settling.backoff(receipt) <= timedelta(hours=1.5)
        waited += settling.backoff(receipt)
    assert account(store, run_id).failed == 1


def test_what_was_returned_does_not_count_as_an_attempt(store: Store) -> None:
    run_id = plan_run(store, ["c1"], expires_at=None)
    allow(store, CUSTOMERS)
    waited = timedelta(0)
    for _ in range(2 * MAX_ATTEMPTS):
        (grant,) = tick(store, after=waited).grants
        assert grant.attempt == 1
        assert not tick(store, results=[Receipt(grant.id, 1, Verdict.RETURNED, "421 later")], after=waited).grants
        waited += timedelta(minutes=1)
    assert account(store, run_id).queued == 1


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.RETURNED])
def test_a_retry_waits_as_long_as_the_provider_asks(store: Store, verdict: Verdict) -> None:
    plan_run(store, ["c1"], expires_at=None)
    allow(store, CUSTOMERS)
    (grant,) = tick(store).grants
    receipt = Receipt(grant.id, 1, verdict, "429 slow down", retry_after=timedelta(hours=3))
    tick(store, results=[receipt], want=0)
    assert not tick(store, after=timedelta(hours=3) - timedelta(seconds=1)).grants
    assert tick(store, after=timedelta(hours=3)).grants


def test_an_old_attempt_cannot_settle_a_newer_one(store: Store) -> None:
    run_id = plan_run(store, ["c1"], expires_at=None)
    allow(store, CUSTOMERS)
    (first,) = tick(store).grants
    tick(store, results=[Receipt(first.id, 1, Verdict.RETRY)], want=0)
    (second,) = tick(store, after=timedelta(hours=2)).grants
    tick(store, results=[Receipt(first.id, 1, Verdict.FAILED)], want=0)
    assert account(store, run_id).sending == 1
    tick(store, results=[Receipt(second.id, 2, Verdict.SENT)], want=0)
    assert account(store, run_id).sent == 1


@pytest.mark.parametrize("late", list(Verdict))
def test_a_worker_cannot_settle_what_another_one_sends_under_the_same_number(store: Store, late: Verdict) -> None:
    """What was returned is not counted, so the next worker's attempt has the same number as the first one's."""
    run_id = plan_run(store, ["c1"], expires_at=None)
    allow(store, CUSTOMERS)
    (first,) = tick(store, worker=1).grants
    tick(store, results=[Receipt(first.id, 1, Verdict.RETURNED, "421 later", worker_id=1)], want=0)
    (second,) = tick(store, worker=2, after=timedelta(minutes=5)).grants
    assert (second.id, second.attempt) == (first.id, 1)
    tick(store, results=[Receipt(first.id, 1, late, "an answer that comes late", worker_id=1)], want=0)
    assert account(store, run_id).sending == 1
    assert not tick(store, worker=3, after=timedelta(days=1)).grants, "it is on its way, and leaves no second time"
    tick(store, results=[Receipt(second.id, 1, Verdict.SENT, worker_id=2)], want=0)
    assert account(store, run_id).sent == 1


def test_a_late_answer_settles_an_ambiguous_message(store: Store) -> None:
    run_id = plan_run(store, ["c1"])
    allow(store, CUSTOMERS)
    (grant,) = tick(store).grants
    tick(store, results=[Receipt(grant.id, 1, Verdict.AMBIGUOUS)], want=0)
    tick(store, results=[Receipt(grant.id, 1, Verdict.SENT)], want=0)
    assert account(store, run_id).sent == 1


def coupon_states(store: Store) -> dict[str, int]:
    coupon = table(Coupon)
    with store.reading() as connection:
        rows = connection.execute(sa.select(coupon.c.state, sa.func.count()).group_by(coupon.c.state))
        return {state: n for state, n in rows}  # noqa: C416  # rows are not pairs to dict()


def test_coupons_are_reserved_confirmed_and_released(store: Store) -> None:
    plan_run(store, ["c1", "c2", "c3", "c4"], {"c4": "holdout"}, coupon="BACK10")
    allow(store, CUSTOMERS)
    assert coupon_states(store) == {"reserved": 3}  # a holdout is never promised a code
    grants = tick(store).grants
    assert len({grant.coupon for grant in grants}) == 3
    assert all(grant.coupon is not None and grant.coupon.startswith("BACK10-") for grant in grants)
    verdicts = [Verdict.SENT, Verdict.FAILED, Verdict.AMBIGUOUS]
    tick(store, results=[Receipt(g.id, 1, v) for g, v in zip(grants, verdicts, strict=True)], want=0)
    assert coupon_states(store) == {"confirmed": 1, "released": 1, "reserved": 1}


def test_what_fails_no_longer_counts_for_caps_and_a_holdout_does(store: Store) -> None:
    plan_run(store, ["c1", "c2", "c3"], {"c3": "holdout"})
    allow(store, CUSTOMERS)
    grants = {grant.customer_id: grant for grant in tick(store).grants}
    tick(
        store,
        results=[Receipt(grants["c1"].id, 1, Verdict.SENT), Receipt(grants["c2"].id, 1, Verdict.FAILED)],
        want=0,
    )
    people = pl.DataFrame({"customer_id": ["c1", "c2", "c3"], "recipient": ["", "", ""]})
    with store.reading() as connection:
        entries = cap_slots.read_cap_entries(connection, people, since=NOW - timedelta(days=7), now=NOW)
    assert entries["customer_id"].to_list() == ["c1", "c3"]


def test_a_message_whose_worker_has_ended_is_orphaned(store: Store) -> None:
    run_id = plan_run(store, CUSTOMERS)
    allow(store, CUSTOMERS)
    (granted,) = tick(store, want=1).grants
    with store.transaction() as connection:
        worker_id = workers.register_worker(
            connection, host="here", boot_id="b", pid=2, pid_started="3", epoch=1, now=NOW
        )
        assert workers.granted_messages(connection, worker_id) == [(granted.id, 1, "email", worker_id)]
        assert workers.orphaned_messages(connection) == []
        workers.end_workers(connection, [worker_id], now=NOW)
        assert workers.orphaned_messages(connection) == [(granted.id, 1, "email", worker_id)]
    assert account(store, run_id) == Account(audience=10, sending=1, queued=9)


def died(grant: Grant) -> Receipt:
    return Receipt(grant.id, grant.attempt, Verdict.RETURNED, "the worker died before it was handed over", worker_id=1)


def test_a_message_returns_at_once_the_first_time_its_worker_dies(store: Store) -> None:
    run_id = plan_run(store, ["c1"])
    allow(store, CUSTOMERS)
    (grant,) = tick(store).grants
    with store.transaction() as connection:
        settling.hand_back(connection, [died(grant)], now=NOW)
    assert account(store, run_id).queued == 1
    assert tick(store).grants[0].attempt == 2


def test_a_message_that_crashes_its_worker_every_time_fails_after_eight_attempts(store: Store) -> None:
    run_id = plan_run(store, ["c1"])
    allow(store, CUSTOMERS)
    after, waits = timedelta(0), []
    for attempt in range(1, settling.MAX_ATTEMPTS + 1):
        (grant,) = tick(store, after=after).grants
        assert grant.attempt == attempt
        with store.transaction() as connection:
            settling.hand_back(connection, [died(grant)], now=NOW + after)
            due = queues.next_due(connection)
        waits.append(None if due is None else due - NOW - after)
        after += waits[-1] or timedelta(0)
    assert waits[-1] is None
    assert all(later is not None and later > timedelta(seconds=15) for later in waits[1:-1])
    assert account(store, run_id).failed == 1
    with store.reading() as connection:
        reason = connection.execute(sa.select(table(MessageStatus).c.reason)).scalar_one()
    assert reason == "the worker died before it was handed over"
