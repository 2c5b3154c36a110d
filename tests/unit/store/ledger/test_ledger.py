"""Every member stays accounted for, whatever happens to the messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from support.ledger import NOW

from automation.clock import to_millis
from automation.errors import StoreError
from automation.store import pauses, runs
from automation.store.engine import Store, table
from automation.store.ledger import coupons, decisions, granting, ledger, queues, settling, workers
from automation.store.ledger.granting import Refuse, Tick
from automation.store.ledger.settling import MAX_ATTEMPTS, Result
from automation.store.people import consent
from automation.store.tables import Coupon, Message
from automation.types.grant import Grant
from automation.types.message import Receipt, Verdict
from automation.types.run import Account, RunKind

Run = Callable[..., int]
Plan = Callable[..., None]
CUSTOMERS = [f"c{n}" for n in range(10)]


def allow(store: Store, customers: list[str] = CUSTOMERS) -> None:
    with store.transaction() as connection:
        consent.record(
            connection, customers, channel="email", topic="promotions", granted=True, at=NOW, source="checkout"
        )


def nobody(grants: Sequence[granting.Grant]) -> dict[str, str]:
    return {}


def tick(
    store: Store,
    *,
    results: Sequence[Receipt] = (),
    want: int = 100,
    after: timedelta = timedelta(0),
    refuse: Refuse = nobody,
) -> Tick:
    with store.transaction() as connection:
        return granting.tick(
            connection,
            results=[Result(receipt) for receipt in results],
            capacity=[(1, want)] if want else [],
            now=NOW + after,
            marketing=["promotions"],
            refuse=refuse,
        )


def account(store: Store, run_id: int) -> Account:
    with store.reading() as connection:
        found = ledger.account(connection, run_id)
    assert found.adds_up
    return found


def coupon_states(store: Store) -> dict[str, int]:
    coupon = table(Coupon)
    with store.reading() as connection:
        rows = connection.execute(sa.select(coupon.c.state, sa.func.count()).group_by(coupon.c.state))
        return {state: n for state, n in rows}  # noqa: C416  # rows are not pairs to dict()


def test_a_due_time_is_claimed_once(store: Store, run_of: Run) -> None:
    run_of(["c1"])
    with store.transaction() as connection:
        again = runs.claim(
            connection, campaign="winback", kind=RunKind.SCHEDULE, due_key="1", due_at=NOW, launch_id=1, now=NOW
        )
        other = runs.claim(
            connection, campaign="winback", kind=RunKind.MANUAL, due_key="1", due_at=NOW, launch_id=1, now=NOW
        )
    assert again is None
    assert other is not None


def test_a_frozen_batch_gives_its_members_back_in_order(store: Store, run_of: Run) -> None:
    run_id = run_of(["c2", "c1"], ["ü\nc", "c3"])
    with store.reading() as connection:
        assert runs.members(connection, run_id, 0) == ["c2", "c1"]
        assert runs.members(connection, run_id, 1) == ["ü\nc", "c3"]


def test_the_account_adds_up_before_during_and_after_planning(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(CUSTOMERS[:6], CUSTOMERS[6:])
    assert account(store, run_id) == Account(audience=10, unplanned=10)
    plan(run_id, 0, CUSTOMERS[:6], {"c0": "holdout", "c1": "suppressed", "c2": "no_offer", "c3": "unreachable"})
    assert account(store, run_id) == Account(
        audience=10, unplanned=4, holdout=1, suppressed=1, no_offer=1, unreachable=1, queued=2
    )
    plan(run_id, 1, CUSTOMERS[6:])
    assert account(store, run_id).queued == 6


def test_a_batch_is_planned_once(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(CUSTOMERS)
    plan(run_id, 0, CUSTOMERS)
    with pytest.raises(StoreError, match="batch 0 of run 1 was planned already"):
        plan(run_id, 0, CUSTOMERS)
    assert account(store, run_id).queued == 10


def test_a_granted_message_is_sending_before_anyone_has_it(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(CUSTOMERS)
    plan(run_id, 0, CUSTOMERS)
    allow(store)
    granted = tick(store, want=4)
    assert len(granted.grants) == 4
    assert {grant.attempt for grant in granted.grants} == {1}
    assert account(store, run_id) == Account(audience=10, sending=4, queued=6)
    assert {grant.id for grant in tick(store).grants}.isdisjoint({grant.id for grant in granted.grants})


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.SENT, Account(audience=1, sent=1)),
        (Verdict.FAILED, Account(audience=1, failed=1)),
        (Verdict.AMBIGUOUS, Account(audience=1, ambiguous=1)),
        (Verdict.RETRY, Account(audience=1, queued=1)),
    ],
)
def test_each_verdict_leads_to_its_state(
    store: Store, run_of: Run, plan: Plan, verdict: Verdict, expected: Account
) -> None:
    run_id = run_of(["c1"])
    plan(run_id, 0, ["c1"])
    allow(store)
    (grant,) = tick(store).grants
    tick(store, results=[Receipt(grant.id, 1, verdict, "250 ok")], want=0)
    assert account(store, run_id) == expected


def test_a_retry_waits_longer_each_time_and_gives_up(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1"])
    plan(run_id, 0, ["c1"], expires_at=None)
    allow(store)
    waited = timedelta(0)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        (grant,) = tick(store, after=waited).grants
        assert grant.attempt == attempt
        receipt = Receipt(grant.id, attempt, Verdict.RETRY, "451 later")
        assert not tick(store, results=[receipt], after=waited).grants
        assert settling.backoff(receipt) <= timedelta(hours=1.5)
        waited += settling.backoff(receipt)
    assert account(store, run_id).failed == 1


def test_what_was_returned_does_not_count_as_an_attempt(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1"])
    plan(run_id, 0, ["c1"], expires_at=None)
    allow(store)
    waited = timedelta(0)
    for _ in range(2 * MAX_ATTEMPTS):
        (grant,) = tick(store, after=waited).grants
        assert grant.attempt == 1
        assert not tick(store, results=[Receipt(grant.id, 1, Verdict.RETURNED, "421 later")], after=waited).grants
        waited += timedelta(minutes=1)
    assert account(store, run_id).queued == 1


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.RETURNED])
def test_a_provider_that_asks_to_be_left_alone_is(store: Store, run_of: Run, plan: Plan, verdict: Verdict) -> None:
    plan(run_of(["c1"]), 0, ["c1"], expires_at=None)
    allow(store)
    (grant,) = tick(store).grants
    receipt = Receipt(grant.id, 1, verdict, "429 slow down", retry_after=timedelta(hours=3))
    tick(store, results=[receipt], want=0)
    assert not tick(store, after=timedelta(hours=3) - timedelta(seconds=1)).grants
    assert tick(store, after=timedelta(hours=3)).grants


def test_an_old_attempt_cannot_settle_a_newer_one(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1"])
    plan(run_id, 0, ["c1"], expires_at=None)
    allow(store)
    (first,) = tick(store).grants
    tick(store, results=[Receipt(first.id, 1, Verdict.RETRY)], want=0)
    (second,) = tick(store, after=timedelta(hours=2)).grants
    tick(store, results=[Receipt(first.id, 1, Verdict.FAILED)], want=0)
    assert account(store, run_id).sending == 1
    tick(store, results=[Receipt(second.id, 2, Verdict.SENT)], want=0)
    assert account(store, run_id).sent == 1


def test_a_late_answer_settles_an_ambiguous_message(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1"])
    plan(run_id, 0, ["c1"])
    allow(store)
    (grant,) = tick(store).grants
    tick(store, results=[Receipt(grant.id, 1, Verdict.AMBIGUOUS)], want=0)
    tick(store, results=[Receipt(grant.id, 1, Verdict.SENT)], want=0)
    assert account(store, run_id).sent == 1


def test_nothing_is_granted_without_consent_at_the_moment_of_sending(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1", "c2", "c3"])
    plan(run_id, 0, ["c1", "c2", "c3"])
    allow(store, ["c1", "c2"])
    with store.transaction() as connection:
        consent.record(
            connection, ["c2"], channel="email", topic="promotions", granted=False, at=NOW, source="unsubscribe"
        )
        consent.suppress(connection, ["C1@shop.example "], channel="email", reason="hard bounce", source="dsn", now=NOW)
    done = tick(store)
    assert (len(done.grants), done.refused) == (0, 3)
    assert account(store, run_id) == Account(audience=3, suppressed=3)


def test_a_plugin_may_forbid_a_message_at_the_moment_of_sending(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1", "c2"])
    plan(run_id, 0, ["c1", "c2"])
    allow(store)
    done = tick(store, refuse=lambda grants: {g.id: "strike" for g in grants if g.customer_id == "c1"})
    assert ([grant.customer_id for grant in done.grants], done.refused) == (["c2"], 1)
    assert account(store, run_id) == Account(audience=2, suppressed=1, sending=1)


def test_nobody_is_sent_while_a_plugin_cannot_answer(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1", "c2"])
    plan(run_id, 0, ["c1", "c2"])
    allow(store)

    def broken(grants: Sequence[granting.Grant]) -> dict[str, str]:
        raise RuntimeError("no answer")

    assert not tick(store, refuse=broken).grants
    assert account(store, run_id).queued == 2
    assert not tick(store, after=timedelta(seconds=59)).grants
    assert len(tick(store, after=timedelta(seconds=60)).grants) == 2


def test_quiet_hours_hold_a_backlog_until_they_end(store: Store, run_of: Run, plan: Plan) -> None:
    """Due at 9:00 with quiet hours from 20:00 to 8:00: what could not leave by 20:00 leaves at 8:00, on any day."""
    run_id = run_of(["c1", "c2"])
    hour = 3_600_000
    start = to_millis(NOW) + 11 * hour
    plan(run_id, 0, ["c1", "c2"], expires_at=None, quiet_from=start, quiet_until=start + 12 * hour)
    allow(store)
    assert len(tick(store, want=1, after=timedelta(hours=10, minutes=59)).grants) == 1
    assert not tick(store, after=timedelta(hours=11)).grants
    assert account(store, run_id) == Account(audience=2, sending=1, queued=1)
    assert not tick(store, after=timedelta(hours=22, minutes=59)).grants
    assert len(tick(store, after=timedelta(hours=23)).grants) == 1


def test_quiet_hours_come_back_every_day(store: Store, run_of: Run, plan: Plan) -> None:
    plan(
        run_of(["c1"]),
        0,
        ["c1"],
        expires_at=None,
        quiet_from=to_millis(NOW) + 1,
        quiet_until=to_millis(NOW) + 3_600_000,
    )
    allow(store)
    assert not tick(store, after=timedelta(days=3, minutes=30)).grants
    assert not tick(store, after=timedelta(days=3, minutes=59)).grants
    assert len(tick(store, after=timedelta(days=3, hours=1)).grants) == 1


def test_a_message_that_is_too_late_expires(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1"])
    plan(run_id, 0, ["c1"])
    allow(store)
    assert not tick(store, after=timedelta(days=1)).grants
    assert account(store, run_id) == Account(audience=1, expired=1)


@pytest.mark.parametrize("scope", ["winback", pauses.EVERYTHING])
def test_a_stop_holds_before_the_next_message_until_resumed(store: Store, run_of: Run, plan: Plan, scope: str) -> None:
    run_id = run_of(["c1", "c2"])
    plan(run_id, 0, ["c1", "c2"])
    allow(store)
    assert len(tick(store, want=1).grants) == 1
    with store.transaction() as connection:
        pauses.stop(connection, scope, by="ana", now=NOW)
    assert not tick(store).grants
    with store.transaction() as connection:
        assert queues.next_due(connection) is None
        assert pauses.resume(connection, [scope])
    assert len(tick(store).grants) == 1
    assert account(store, run_id).sending == 2


def test_coupons_are_reserved_confirmed_and_released(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1", "c2", "c3", "c4"])
    plan(run_id, 0, ["c1", "c2", "c3", "c4"], {"c4": "holdout"}, coupon="BACK10")
    allow(store)
    assert coupon_states(store) == {"reserved": 3}  # a holdout is never promised a code
    grants = tick(store).grants
    assert len({grant.coupon for grant in grants}) == 3
    assert all(grant.coupon is not None and grant.coupon.startswith("BACK10-") for grant in grants)
    verdicts = [Verdict.SENT, Verdict.FAILED, Verdict.AMBIGUOUS]
    tick(store, results=[Receipt(g.id, 1, v) for g, v in zip(grants, verdicts, strict=True)], want=0)
    assert coupon_states(store) == {"confirmed": 1, "released": 1, "reserved": 1}


def test_a_coupon_code_is_the_messages_own() -> None:
    assert coupons.coupon_code(b"key", "A", "m1") == coupons.coupon_code(b"key", "A", "m1")
    codes = {coupons.coupon_code(b"key", "A", f"m{n}") for n in range(2_000)}
    assert len(codes) == 2_000
    assert coupons.coupon_code(b"other", "A", "m1") not in codes


def test_what_fails_no_longer_counts_for_caps_and_a_holdout_does(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1", "c2", "c3"])
    plan(run_id, 0, ["c1", "c2", "c3"], {"c3": "holdout"})
    allow(store)
    grants = {grant.customer_id: grant for grant in tick(store).grants}
    tick(
        store,
        results=[Receipt(grants["c1"].id, 1, Verdict.SENT), Receipt(grants["c2"].id, 1, Verdict.FAILED)],
        want=0,
    )
    with store.reading() as connection:
        capped = decisions.under_cap_from(
            connection, ["c1", "c2", "c3"], sends=1, window=timedelta(days=7), now=NOW, topics=["promotions"]
        )
    week_later = to_millis(NOW + timedelta(days=7))
    assert capped == {"c1": week_later, "c3": week_later}


def test_what_belongs_to_no_open_flight_is_astray(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(CUSTOMERS)
    plan(run_id, 0, CUSTOMERS)
    allow(store)
    (granted,) = tick(store, want=1).grants
    with store.transaction() as connection:
        worker_id = workers.register(connection, host="here", boot_id="b", pid=2, pid_started="3", epoch=1, now=NOW)
        assert workers.on_their_way(connection, worker_id) == [(granted.id, 1, "email")]
        assert workers.orphaned(connection) == []
        workers.end(connection, [worker_id], now=NOW)
        assert workers.orphaned(connection) == [(granted.id, 1, "email")]
    assert account(store, run_id) == Account(audience=10, sending=1, queued=9)


def test_a_committer_that_was_taken_over_from_grants_nothing(store: Store, run_of: Run, plan: Plan) -> None:
    plan(run_of(CUSTOMERS), 0, CUSTOMERS)
    allow(store)
    with store.transaction() as connection:
        mine = workers.begin_epoch(connection)
        assert workers.begin_epoch(connection) == mine + 1
    with store.transaction() as connection, pytest.raises(workers.Fenced):
        granting.tick(connection, results=[], capacity=[(1, 10)], now=NOW, marketing=["promotions"], epoch=mine)


def died(grant: Grant) -> Receipt:
    return Receipt(grant.id, grant.attempt, Verdict.RETURNED, "the process died before it was handed over")


def test_what_its_process_died_with_returns_at_once_the_first_time(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1"])
    plan(run_id, 0, ["c1"])
    allow(store)
    (grant,) = tick(store).grants
    with store.transaction() as connection:
        settling.hand_back(connection, [died(grant)], now=NOW)
    assert account(store, run_id).queued == 1
    assert tick(store).grants[0].attempt == 2


def test_a_message_that_its_process_dies_of_every_time_fails_in_the_end(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1"])
    plan(run_id, 0, ["c1"])
    allow(store)
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
        reason = connection.execute(sa.select(table(Message).c.reason)).scalar_one()
    assert reason == "the process died before it was handed over"


def test_the_database_refuses_a_second_live_message_of_a_decision(store: Store, run_of: Run, plan: Plan) -> None:
    plan(run_of(["c1"]), 0, ["c1"])
    message = table(Message)
    with store.transaction() as connection:
        row = dict(connection.execute(sa.select(message)).mappings().one())
        with pytest.raises(IntegrityError):
            connection.execute(sa.insert(message).values(**row | {"id": "other", "channel": "sms"}))


def test_a_message_id_is_made_of_the_decision_and_the_channel(store: Store, run_of: Run, plan: Plan) -> None:
    from automation.ids import message_id

    run_id = run_of(["c1"])
    plan(run_id, 0, ["c1"])
    with store.reading() as connection:
        (row,) = decisions.find(connection, run_id=run_id)
    assert row.message_id == message_id(store.secret, f"{run_id}|c1||send|0", "email")
    assert (row.step, row.visit) == ("send", 0)


def test_each_step_of_a_campaign_has_its_own_decision_and_message(store: Store, run_of: Run, plan: Plan) -> None:
    run_id = run_of(["c1"], ["c1"])
    plan(run_id, 0, ["c1"], step="first")
    plan(run_id, 1, ["c1"], step="second")
    with store.reading() as connection:
        rows = decisions.find(connection, run_id=run_id)
        (second,) = decisions.find(connection, run_id=run_id, step="second")
    assert [row.step for row in rows] == ["second", "first"]
    assert rows[0].message_id == second.message_id != rows[1].message_id
