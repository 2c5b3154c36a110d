"""The ledger's tables and statements on PostgreSQL: the same answers, and numbers of more than 32 bits."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from support import postgres
from support.ledger import NOW, account, allow, plan_run, tick

from automation.clock import to_millis
from automation.store import entries, holds, launches, runs, schedules, watermarks
from automation.store.engine import Store, open_store, table
from automation.store.inbox import inbox, negative_feedback, responses, unheard
from automation.store.inbox.inbox import InboxEvent
from automation.store.ledger import (
    ambiguous,
    decisions,
    entry_messages,
    ledger,
    message_history,
    mirror,
    queues,
    seed_copies,
)
from automation.store.tables import Decision, Run
from automation.types.entry import ENTRY_COLUMNS
from automation.types.message import Receipt, Verdict
from automation.types.run import Account

pytestmark = pytest.mark.slow
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def store(tmp_path: Path, server: str) -> Iterator[Store]:
    """An empty store of the test's own, whatever ran before it."""
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"store_{uuid.uuid4().hex}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    with contextlib.chdir(tmp_path):  # the keys lie in this folder
        opened = open_store(sa.make_url(server).set(database=name).render_as_string(hide_password=False))
        yield opened
        opened.close()


def test_every_question_about_a_run_is_answered(store: Store) -> None:
    run_id = plan_run(store, ["c1", "c2", "c3"], coupon="TEN")
    allow(store, ["c1", "c2", "c3"])
    sent, later, doubtful = tick(store).grants
    verdicts = {sent: Verdict.SENT, later: Verdict.RETRY, doubtful: Verdict.AMBIGUOUS}
    tick(store, results=[Receipt(grant.id, 1, verdict) for grant, verdict in verdicts.items()], want=0)
    assert account(store, run_id) == Account(audience=3, sent=1, queued=1, ambiguous=1)
    with store.reading() as connection:
        assert len(decisions.find(connection, run_id=run_id)) == mirror.read_decisions(connection).height == 3
        assert queues.next_due(connection) == schedules.next_due_of_run(connection, run_id)
        assert [one.id for one in ambiguous.find_in_run(connection, run_id)] == [doubtful.id]
        theirs = message_history.read_history(connection, [sent.customer_id], [later.address])
        assert {row.message_id for row in theirs.decisions} == {sent.id, later.id}
        assert len(seed_copies.find_originals(connection, run_id)) == 1
        assert holds.recent_recipients(connection, "winback", since=NOW - DAY, but=0).len() == 3
        assert negative_feedback.count_sent(connection, "winback", "email", NOW - DAY) == 1
        found = responses.find_recipient(connection, sent.id)
        assert found is not None
        assert found.granted_at == NOW
        assert ledger.find_settled(connection, [run_id]) == set()


def test_the_three_billionth_decision_and_run_are_like_any_other(store: Store) -> None:
    plan_run(store, ["c1", "c2"])
    with store.transaction() as connection:
        connection.execute(sa.update(table(Decision)).values(id=table(Decision).c.id + 3_000_000_000))
        connection.execute(sa.text("ALTER SEQUENCE run_id_seq RESTART WITH 5000000000"))
        connection.execute(sa.delete(table(Run)))
    run_id = plan_run(store, ["c1"])
    assert run_id == 5_000_000_000
    allow(store, ["c1"])
    (grant,) = tick(store, worker=4_000_000_000).grants
    assert (grant.worker_id, len(grant.id)) == (4_000_000_000, 32)
    tick(store, results=[Receipt(grant.id, 1, Verdict.SENT, worker_id=4_000_000_000)], want=0)
    assert account(store, run_id) == Account(audience=1, sent=1)


def test_people_in_a_journey_stand_where_they_stood(store: Store) -> None:
    with store.transaction() as connection:
        number = launches.launch(
            connection, campaign="cart", text="name: cart", templates={}, plugins={}, by="ana", approved_by=None,
            audience=None, now=NOW,
        )  # fmt: skip
        run_id = runs.open_standing(connection, campaign="cart", launch_id=number, now=NOW, test=False)
        assert runs.open_standing(connection, campaign="cart", launch_id=number, now=NOW, test=False) == run_id
        assert [one.id for one in runs.find_live(connection)] == [run_id]
        assert runs.first_standing(connection, "cart") == NOW
        assert runs.largest_audience(connection) == 0
        events = [InboxEvent(f"e{n}", f"c{n}", "add_to_cart", NOW, None, {"cart_id": "k1"}) for n in range(3)]
        inbox.add_events(connection, events, now=NOW)
        last = unheard.last_row(connection)
        found, upto = unheard.read_unheard(connection, after=0, last=last, types=["add_to_cart"])
        assert (found["event_id"].to_list(), upto) == (["e0", "e1", "e2"], last)
        since = unheard.read_since(connection, ["c1"], ["add_to_cart"], since=to_millis(NOW))
        assert since["event_id"].to_list() == ["e1"]
        assert unheard.has_unheard(connection, ["c1", "c9"], ["add_to_cart"], after=0) == {"c1"}
        assert watermarks.has_unheard(connection)
        watermarks.set_heard(connection, last)
        assert (watermarks.read_heard(connection), watermarks.has_unheard(connection)) == (last, False)
        begun = new_entries(run_id, "c0", "c1", "c2")
        entries.begin(connection, begun)
        entries.begin(connection, begun)
        here = entries.read_open(connection, ["c0", "c1", "c2"]).sort("customer_id")
        assert here["customer_id"].to_list() == ["c0", "c1", "c2"]
        moved = here.head(1).with_columns(step=pl.lit("first"), due_at=pl.lit(to_millis(NOW + DAY)))
        entries.move(connection, moved)
        due = entries.read_due(connection, run_id, now=to_millis(NOW), limit=10)
        assert sorted(due["customer_id"]) == ["c1", "c2"]
        assert entries.first_due(connection, [run_id]) == to_millis(NOW)
        assert entries.still_there(connection, here) == set(due["id"])
        entries.end(connection, due.head(1).with_columns(ended=pl.lit("done"), ended_at=pl.lit(to_millis(NOW))))
        assert (entries.count_open(connection, run_id), len(entries.find_again(connection, "cart", begun))) == (2, 1)
        assert entry_messages.find_entries(connection, []).is_empty()
        assert runs.add_batch(connection, run_id, ["c0"]) == 0


def new_entries(run_id: int, *customers: str) -> pl.DataFrame:
    at = to_millis(NOW)
    fixed = {"campaign": "cart", "run_id": run_id, "subject": "k1", "step": "", "due_at": at, "since": None}
    fixed |= {"entered_at": at, "message_id": None, "heard": "", "path": ""}
    rows = [{**fixed, "customer_id": one, "cause": f"e{one}"} for one in customers]
    return pl.DataFrame(rows, schema={"campaign": pl.String, **{k: v for k, v in ENTRY_COLUMNS.items() if k != "id"}})
