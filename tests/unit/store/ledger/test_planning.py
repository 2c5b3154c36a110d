"""Planning a batch into the ledger: every member stays accounted for."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from support.ledger import NOW, account, make_run, plan_batch, plan_run

from automation.errors import AutomationError, StoreError
from automation.ids import message_id
from automation.store import runs
from automation.store.engine import Store, insert_rows, table
from automation.store.ledger import coupons, decisions
from automation.store.tables import Coupon, MessageStatus
from automation.types.run import Account, RunKind

CUSTOMERS = [f"c{n}" for n in range(10)]


def coupon_states(store: Store) -> dict[str, int]:
    coupon = table(Coupon)
    with store.reading() as connection:
        rows = connection.execute(sa.select(coupon.c.state, sa.func.count()).group_by(coupon.c.state))
        return {state: n for state, n in rows}  # noqa: C416  # rows are not pairs to dict()


def test_a_due_time_is_claimed_once(store: Store) -> None:
    make_run(store, ["c1"])
    with store.transaction() as connection:
        again = runs.claim(
            connection, campaign="winback", kind=RunKind.SCHEDULE, due_key="1", due_at=NOW, launch_id=1, now=NOW
        )
        other = runs.claim(
            connection, campaign="winback", kind=RunKind.MANUAL, due_key="1", due_at=NOW, launch_id=1, now=NOW
        )
    assert again is None
    assert other is not None


def test_a_frozen_batch_gives_its_members_back_in_order(store: Store) -> None:
    run_id = make_run(store, ["c2", "c1"], ["ü\nc", "c3"])
    with store.reading() as connection:
        assert runs.members(connection, run_id, 0) == ["c2", "c1"]
        assert runs.members(connection, run_id, 1) == ["ü\nc", "c3"]


def test_the_account_adds_up_before_during_and_after_planning(store: Store) -> None:
    run_id = make_run(store, CUSTOMERS[:6], CUSTOMERS[6:])
    assert account(store, run_id) == Account(audience=10, unplanned=10)
    plan_batch(
        store, run_id, 0, CUSTOMERS[:6], {"c0": "holdout", "c1": "suppressed", "c2": "no_offer", "c3": "unreachable"}
    )
    assert account(store, run_id) == Account(
        audience=10, unplanned=4, holdout=1, suppressed=1, no_offer=1, unreachable=1, queued=2
    )
    plan_batch(store, run_id, 1, CUSTOMERS[6:])
    assert account(store, run_id).queued == 6


def test_a_batch_is_planned_once(store: Store) -> None:
    run_id = plan_run(store, CUSTOMERS)
    with pytest.raises(StoreError, match="batch 0 of run 1 was planned already"):
        plan_batch(store, run_id, 0, CUSTOMERS)
    assert account(store, run_id).queued == 10


def test_a_coupon_code_is_the_messages_own() -> None:
    assert coupons.coupon_code(b"key", "A", "m1") == coupons.coupon_code(b"key", "A", "m1")
    codes = {coupons.coupon_code(b"key", "A", f"m{n}") for n in range(2_000)}
    assert len(codes) == 2_000
    assert coupons.coupon_code(b"other", "A", "m1") not in codes


def given_before(store: Store, run_id: int, customer: str, draws: int) -> list[str]:
    """Codes of other messages: what the first draws for this customer's message will be."""
    message = message_id(store.id_secret, f"{run_id}|{customer}||send|0", "email", run_id=run_id, batch_no=0)
    codes = [coupons.coupon_code(store.id_secret, "TEN", message, draw) for draw in range(draws)]
    rows = [(code, f"of another one {code}", "pct10", "other", "confirmed") for code in codes]
    with store.transaction() as connection:
        insert_rows(connection, Coupon, ("code", "message_id", "offer", "campaign", "state"), rows)
    return codes


def codes_of(store: Store, run_id: int) -> list[str | None]:
    with store.reading() as connection:
        return [row.coupon for row in decisions.find(connection, run_id=run_id, limit=100)]


@pytest.mark.parametrize("draws", [1, 3])
def test_a_code_that_was_given_before_is_drawn_again(store: Store, draws: int) -> None:
    """Two million codes of one prefix hold a repeat: the run must not fail for ever by it."""
    run_id = make_run(store, CUSTOMERS)
    before = given_before(store, run_id, "c3", draws)
    plan_batch(store, run_id, 0, CUSTOMERS, coupon="TEN")
    found = codes_of(store, run_id)
    assert len({code for code in found if code}) == len(CUSTOMERS)
    assert not {*found} & {*before}


def test_a_batch_that_draws_a_code_twice_gives_it_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """256 codes in all, of which 60 messages would get some twice by their first draws."""
    monkeypatch.setattr(coupons, "_DRAWN", 1)
    customers = [f"n{number}" for number in range(60)]
    run_id = make_run(store, customers)
    plan_batch(store, run_id, 0, customers, coupon="TEN")
    assert len({*codes_of(store, run_id)}) == 60


def test_a_run_fails_clearly_when_hardly_any_code_is_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coupons, "_DRAWN", 1)
    monkeypatch.setattr(coupons, "MOST_DRAWS", 20)
    customers = [f"n{number}" for number in range(257)]
    run_id = make_run(store, customers)
    with pytest.raises(AutomationError, match="there are 256 codes that begin with 'TEN', and 20 draws found only"):
        plan_batch(store, run_id, 0, customers, coupon="TEN")
    assert codes_of(store, run_id) == [], "nothing of the batch is planned"


def test_the_database_refuses_a_second_live_message_of_a_decision(store: Store) -> None:
    plan_run(store, ["c1"])
    status = table(MessageStatus)
    with store.transaction() as connection:
        row = dict(connection.execute(sa.select(status)).mappings().one())
        with pytest.raises(IntegrityError):
            connection.execute(sa.insert(status).values(**row | {"message_id": "other"}))


def test_a_message_id_is_made_of_the_decision_and_the_channel(store: Store) -> None:
    run_id = plan_run(store, ["c1"])
    with store.reading() as connection:
        (row,) = decisions.find(connection, run_id=run_id)
    assert row.message_id == message_id(store.id_secret, f"{run_id}|c1||send|0", "email", run_id=run_id, batch_no=0)
    assert (row.step, row.visit) == ("send", 0)


def test_each_step_of_a_campaign_has_its_own_decision_and_message(store: Store) -> None:
    run_id = make_run(store, ["c1"], ["c1"])
    plan_batch(store, run_id, 0, ["c1"], step="first")
    plan_batch(store, run_id, 1, ["c1"], step="second")
    with store.reading() as connection:
        rows = decisions.find(connection, run_id=run_id)
        (second,) = decisions.find(connection, run_id=run_id, step="second")
    assert [row.step for row in rows] == ["second", "first"]
    assert rows[0].message_id == second.message_id != rows[1].message_id
