"""What a tick grants, and what it refuses, defers or leaves queued."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.ledger import NOW, account, allow, plan_run, tick

from automation.delivery.suppression_answers import SuppressionAnswers
from automation.delivery.tick import check_epoch
from automation.store import pauses
from automation.store.engine import Store
from automation.store.ledger import decisions, queues, workers
from automation.store.people import consent
from automation.types.run import Account

CUSTOMERS = [f"c{n}" for n in range(10)]


def ids_of(store: Store) -> dict[str, str]:
    """The message of each customer."""
    with store.reading() as connection:
        return {row.customer_id: str(row.message_id) for row in decisions.find(connection)}


def at(*instant: int) -> timedelta:
    """How long after `NOW` an instant in UTC is."""
    return datetime(*instant, tzinfo=UTC) - NOW  # type: ignore[misc,arg-type]  # year, month, day, hour, minute


def test_a_granted_message_is_sending_before_anyone_has_it(store: Store) -> None:
    run_id = plan_run(store, CUSTOMERS)
    allow(store, CUSTOMERS)
    granted = tick(store, want=4)
    assert len(granted.grants) == 4
    assert {grant.attempt for grant in granted.grants} == {1}
    assert account(store, run_id) == Account(audience=10, sending=4, queued=6)
    assert {grant.id for grant in tick(store).grants}.isdisjoint({grant.id for grant in granted.grants})


def test_nothing_is_granted_without_consent_at_the_moment_of_sending(store: Store) -> None:
    run_id = plan_run(store, ["c1", "c2", "c3"])
    allow(store, ["c1", "c2"])
    with store.transaction() as connection:
        consent.record(
            connection, ["c2"], channel="email", topic="promotions", granted=False, at=NOW, source="unsubscribe"
        )
        consent.suppress(connection, ["C1@shop.example "], channel="email", reason="hard bounce", source="dsn", now=NOW)
    done = tick(store)
    assert (len(done.grants), done.refused) == (0, 3)
    assert account(store, run_id) == Account(audience=3, suppressed=3)


def test_a_plugin_may_forbid_a_message_at_the_moment_of_sending(store: Store) -> None:
    run_id = plan_run(store, ["c1", "c2"])
    allow(store, CUSTOMERS)
    ids = ids_of(store)
    done = tick(store, answers=SuppressionAnswers(frozenset(ids.values()), {ids["c1"]: "strike"}))
    assert ([grant.customer_id for grant in done.grants], done.refused) == (["c2"], 1)
    assert account(store, run_id) == Account(audience=2, suppressed=1, sending=1)


def test_nobody_is_sent_while_a_plugin_cannot_answer(store: Store) -> None:
    run_id = plan_run(store, ["c1", "c2"])
    allow(store, CUSTOMERS)
    done = tick(store, answers=SuppressionAnswers(frozenset(ids_of(store).values()), failed=True))
    assert (done.grants, done.deferred) == ([], 2)
    assert account(store, run_id).queued == 2
    assert not tick(store, after=timedelta(seconds=59)).grants
    assert len(tick(store, after=timedelta(seconds=60)).grants) == 2


def test_a_message_that_no_plugin_was_asked_about_waits_for_the_next_tick(store: Store) -> None:
    run_id = plan_run(store, ["c1", "c2"])
    allow(store, CUSTOMERS)
    done = tick(store, answers=SuppressionAnswers(frozenset({ids_of(store)["c1"]})))
    assert ([grant.customer_id for grant in done.grants], done.waiting) == (["c1"], True)
    assert account(store, run_id) == Account(audience=2, queued=1, sending=1)


def test_a_consent_that_is_withdrawn_after_the_plugins_were_asked_still_counts(store: Store) -> None:
    run_id = plan_run(store, ["c1"])
    allow(store, CUSTOMERS)
    answers = SuppressionAnswers(frozenset(ids_of(store).values()))
    with store.transaction() as connection:
        consent.record(connection, ["c1"], channel="email", topic="promotions", granted=False, at=NOW, source="link")
    assert not tick(store, answers=answers).grants
    assert account(store, run_id).suppressed == 1


def test_nothing_of_a_run_is_granted_before_its_campaign_is_known(store: Store) -> None:
    run_id = plan_run(store, ["c1"])
    allow(store, CUSTOMERS)
    done = tick(store, known_runs=False)
    assert (list(done.grants), done.unknown_runs, done.waiting) == ([], frozenset({run_id}), True)
    assert len(tick(store).grants) == 1


def test_quiet_hours_hold_a_backlog_until_they_end(store: Store) -> None:
    """Due at 9:00 with quiet hours from 20:00 to 8:00: what could not leave by 20:00 leaves at 8:00, on any day."""
    run_id = plan_run(store, ["c1", "c2"], expires_at=None, quiet_hours="20:00-08:00", quiet_zone="UTC")
    allow(store, CUSTOMERS)
    assert len(tick(store, want=1, after=at(2026, 11, 24, 19, 59)).grants) == 1
    assert not tick(store, after=at(2026, 11, 24, 20, 0)).grants
    assert account(store, run_id) == Account(audience=2, sending=1, queued=1)
    assert not tick(store, after=at(2026, 11, 25, 7, 59)).grants
    assert len(tick(store, after=at(2026, 11, 25, 8, 0)).grants) == 1


def test_quiet_hours_return_every_day(store: Store) -> None:
    plan_run(store, ["c1"], expires_at=None, quiet_hours="09:00-10:00", quiet_zone="UTC")
    allow(store, CUSTOMERS)
    assert not tick(store, after=at(2026, 11, 27, 9, 30)).grants
    assert not tick(store, after=at(2026, 11, 27, 9, 59)).grants
    assert len(tick(store, after=at(2026, 11, 27, 10, 0)).grants) == 1


def test_quiet_hours_follow_the_clock_on_the_day_after_it_changes(store: Store) -> None:
    """In New York the clocks go forward on 2027-03-14: from then on 20:00 is 00:00 in UTC, and 9:00 is 13:00."""
    plan_run(store, ["c1", "c2"], expires_at=None, quiet_hours="20:00-09:00", quiet_zone="America/New_York")
    allow(store, CUSTOMERS)
    assert len(tick(store, want=1, after=at(2027, 3, 14, 23, 59)).grants) == 1
    assert not tick(store, after=at(2027, 3, 15, 0, 0)).grants
    assert not tick(store, after=at(2027, 3, 15, 12, 59)).grants
    assert len(tick(store, after=at(2027, 3, 15, 13, 0)).grants) == 1


def test_a_message_that_is_too_late_expires(store: Store) -> None:
    run_id = plan_run(store, ["c1"])
    allow(store, CUSTOMERS)
    assert not tick(store, after=timedelta(days=1)).grants
    assert account(store, run_id) == Account(audience=1, expired=1)


@pytest.mark.parametrize("scope", ["winback", "channel:email", pauses.EVERYTHING])
def test_a_stop_holds_before_the_next_message_until_resumed(store: Store, scope: str) -> None:
    run_id = plan_run(store, ["c1", "c2"])
    allow(store, CUSTOMERS)
    assert len(tick(store, want=1).grants) == 1
    with store.transaction() as connection:
        pauses.stop(connection, scope, by="ana", now=NOW)
    assert not tick(store).grants
    with store.transaction() as connection:
        assert queues.next_due(connection) is None
        assert pauses.resume(connection, [scope])
    assert len(tick(store).grants) == 1
    assert account(store, run_id).sending == 2


def test_a_committer_that_was_replaced_is_fenced(store: Store) -> None:
    with store.transaction() as connection:
        replaced = workers.begin_epoch(connection)
        assert workers.begin_epoch(connection) == replaced + 1
    with store.transaction() as connection:
        check_epoch(connection, replaced + 1)
        with pytest.raises(workers.Fenced, match="another committer has taken over this store"):
            check_epoch(connection, replaced)
