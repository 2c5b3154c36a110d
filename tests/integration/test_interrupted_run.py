"""A run that is interrupted, or whose customers change their minds, over the toy shop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.project import fill, write_project
from support.toy_project import CONFIG, account_of, deliver, start, toy_project

from automation.clock import ManualClock
from automation.inbound.flush import flush_events
from automation.reporting.explain import explain
from automation.reporting.run_status import run_status
from automation.runner import launch as launching
from automation.runner import run as runs
from automation.runner.claim import claim
from automation.schedule.due_times import Due
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.store.ledger import decisions
from automation.store.people import consent
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.run import Account, RunKind, RunState
from automation.warehouse.embedded import Warehouse
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

STRIKE = """
import polars as pl

from automation.contracts import Options
from automation.hookspecs import hookimpl


class Strike:
    Options = Options
    codes = {"strike": "the post in Portugal is on strike"}

    def __init__(self, options):
        self.options = options

    def refuse(self, batch, *, at, moment):
        hit = batch.filter((pl.col("country") == "PT") & (pl.lit(moment) == "send"))
        return hit.select("customer_id", pl.lit("strike").alias("code"), pl.lit("").alias("detail"))


@hookimpl
def register_suppressions(register):
    register("strike", Strike)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def test_a_due_time_runs_once(toy: Workspace) -> None:
    start(toy)
    assert claim(toy, "toy", Due(RunKind.MANUAL, "1", TOY_AS_OF)) is None


def test_planning_continues_where_it_stopped(tmp_path: Path) -> None:
    """Two batches, of a thousand and of one; the planner stops after the first."""
    with open_workspace(write_project(tmp_path), clock=ManualClock(TOY_AS_OF)) as workspace:
        fill(workspace, 1_001)
        launching.launch(workspace, "hello", by="test", audience=None)
        row = claim(workspace, "hello", Due(RunKind.MANUAL, "1", TOY_AS_OF))
        assert row is not None
        calls = iter([False, True])
        assert not runs.advance(workspace, LaunchedCampaigns(workspace.project), row.id, halted=lambda: next(calls))
        half = account_of(workspace, row.id)
        assert (half.audience, half.unplanned) == (1_001, 1)
        assert runs.advance(workspace, LaunchedCampaigns(workspace.project), row.id)
        assert account_of(workspace, row.id) == Account(audience=1_001, queued=1_001)
        with workspace.store.reading() as connection:
            planned = [decision.customer_id for decision in decisions.find(connection, run_id=row.id, limit=2_000)]
    assert len(planned) == len(set(planned)) == 1_001


def test_an_unsubscribe_during_the_run_is_respected(toy: Workspace) -> None:
    run_id = start(toy)
    with toy.store.transaction() as connection:
        consent.record(
            connection, ["c1"], channel="email", topic="promotions", granted=False,
            at=TOY_AS_OF + timedelta(seconds=1), source="unsubscribe",
        )  # fmt: skip
    deliver(toy)
    assert account_of(toy, run_id) == Account(audience=6, unreachable=1, suppressed=1, sent=4)


def test_a_suppression_plugin_is_asked_again_when_a_message_leaves(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "strike.py").write_text(STRIKE)
    with toy_project(tmp_path, config=CONFIG + "suppressions: [{using: strike}]\n") as toy:
        run_id = start(toy)
        assert account_of(toy, run_id).suppressed == 0
        deliver(toy)
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, suppressed=1, sent=4)
        found = explain(toy, "toy", "c1")
        assert found.decision is not None
        assert found.decision.state_reason == "strike"


def test_a_disk_error_does_not_end_the_run(toy: Workspace) -> None:
    launching.launch(toy, "toy", by="test", audience=None)
    row = claim(toy, "toy", Due(RunKind.MANUAL, "1", TOY_AS_OF))
    assert row is not None
    folder = toy.audience_file(row.id).parent
    folder.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=str(folder)) as raised:
        runs.advance(toy, LaunchedCampaigns(toy.project), row.id)
    status = run_status(toy, row.id).run
    assert (status.state, status.error) == (RunState.CREATED, str(raised.value))
    folder.unlink()
    assert runs.advance(toy, LaunchedCampaigns(toy.project), row.id)
    assert account_of(toy, row.id) == Account(audience=6, unreachable=1, queued=5)


def test_events_reach_the_warehouse_once_whatever_crashes(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [InboxEvent(f"new{n}", "c1", "email_open", TOY_AS_OF, "m") for n in range(3)]
    with toy.store.transaction() as connection:
        assert inbox.add_events(connection, [*events, events[0]], now=TOY_AS_OF) == 3

    def count(warehouse: Warehouse) -> int:
        table = warehouse.table("events")
        return int(table.filter(table.type == "email_open").filter(table.message_id == "m").count().to_polars())

    warehouse = toy.warehouse()
    with monkeypatch.context() as patched:
        patched.setattr(inbox, "finish_flush", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("power cut")))
        with pytest.raises(RuntimeError, match="power cut"):
            flush_events(toy, warehouse)
    assert count(warehouse) == 3
    assert flush_events(toy, warehouse) == 0
    assert count(warehouse) == 3
    with toy.store.transaction() as connection:
        assert inbox.add_events(connection, events, now=TOY_AS_OF) == 0
    warehouse.close()
