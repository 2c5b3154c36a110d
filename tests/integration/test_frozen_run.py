"""The files of a run that is being planned: read by batch, and made again where they are damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import ibis.backends.duckdb
import polars as pl
import pytest
from support.project import fill, write_project
from support.toy_project import BODY, account_of, toy_project

from automation.clock import ManualClock
from automation.errors import AutomationError
from automation.reporting.run_status import run_status
from automation.runner.claim import claim
from automation.runner.launch import launch
from automation.runner.people_run import freeze_people, written_people
from automation.runner.run import advance
from automation.schedule.due_times import Due
from automation.store import launches
from automation.store.ledger import decisions
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.run import Account, RunKind, RunState
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

RECOMMEND = "recommend: {using: popular, items: 1}\n"


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def begun(workspace: Workspace, name: str, *, batches: int = 0, key: str = "1") -> int:
    """A run whose audience is frozen, and of which this many batches are planned."""
    launch(workspace, name, by="test", audience=None)
    run = claim(workspace, name, Due(RunKind.MANUAL, key, workspace.clock.now()))
    assert run is not None
    calls = iter([False] * batches + [True])
    assert not advance(workspace, LaunchedCampaigns(workspace.project), run.id, halted=lambda: next(calls))
    return run.id


def go_on(workspace: Workspace, run_id: int) -> None:
    assert advance(workspace, LaunchedCampaigns(workspace.project), run_id)


def test_a_run_of_many_batches_asks_the_warehouse_as_often_as_a_run_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning would otherwise look through all events for every batch: quadratic in the size of the shop."""
    queries = []
    compile_ = ibis.backends.duckdb.Backend.compile

    def counted(self: object, *arguments: object, **options: object) -> object:
        queries.append(arguments)
        return compile_(self, *arguments, **options)

    monkeypatch.setattr(ibis.backends.duckdb.Backend, "compile", counted)
    asked = []
    for customers in (10, 3_010):
        root = write_project(tmp_path / str(customers))
        campaign = root / "campaigns/hello.yaml"
        campaign.write_text(campaign.read_text() + RECOMMEND)
        with (root / "templates/hello/email.html").open("a") as body:
            body.write("{{ profile.lifecycle }} {% if last_order %}{{ last_order.lines[0].quantity }}{% endif %}")
        with open_workspace(root, clock=ManualClock(TOY_AS_OF)) as workspace:
            fill(workspace, customers)
            warehouse = workspace.warehouse()
            warehouse.upsert("products", pl.DataFrame({"product_id": ["p1"], "name": ["Tea"], "stock": [1.0]}))
            bought = pl.select(customer_id=pl.format("c{}", pl.int_range(10).cast(pl.String).str.zfill(5)))
            warehouse.append_events(
                bought.select(
                    event_id="customer_id", customer_id="customer_id", type=pl.lit("purchase"),
                    product_id=pl.lit("p1"), amount=pl.lit(2.0), occurred_at=pl.lit(TOY_AS_OF).dt.offset_by("-1d"),
                )
            )  # fmt: skip
            warehouse.close()
            run_id = begun(workspace, "hello")
            queries.clear()
            go_on(workspace, run_id)
            asked.append(len(queries))
            assert account_of(workspace, run_id) == Account(audience=customers, queued=customers)
            assert not workspace.history_file(run_id).exists(), "every batch is planned"
            assert not workspace.values_file(run_id).exists()
    assert asked[0] == asked[1] > 0


Harm = Callable[[Path], object]
HARMS: dict[str, Harm] = {
    "removed": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "overwritten": lambda path: path.write_bytes(path.read_bytes()[:4] + b"\xff" * 2_000 + path.read_bytes()[2_004:]),
    "of other people": lambda path: pl.read_parquet(path).with_columns(customer_id=pl.lit("c8")).write_parquet(path),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_audience_is_frozen_again_for_the_same_members(toy: Workspace, harm: str) -> None:
    """The members are in the store; the run must not stay in planning for ever."""
    whole = begun(toy, "toy", key="whole")
    go_on(toy, whole)
    run_id = begun(toy, "toy")
    HARMS[harm](toy.audience_file(run_id))
    go_on(toy, run_id)
    assert account_of(toy, run_id) == account_of(toy, whole) == Account(audience=6, unreachable=1, queued=5)
    assert run_status(toy, run_id).run.error is None
    with toy.store.reading() as connection:
        before, after = (decisions.find(connection, run_id=run) for run in (whole, run_id))
    assert [row.offer for row in sorted(after, key=lambda row: row.customer_id)] == [
        row.offer for row in sorted(before, key=lambda row: row.customer_id)
    ]


def test_a_member_who_left_the_shop_keeps_the_place(tmp_path: Path) -> None:
    with open_workspace(write_project(tmp_path), clock=ManualClock(TOY_AS_OF)) as workspace:
        fill(workspace, 1_005)
        run_id = begun(workspace, "hello", batches=1)
        path = workspace.audience_file(run_id)
        (gone,) = pl.read_parquet(path).filter(pl.col("batch") == 1)["customer_id"].head(1)
        path.write_bytes(b"")
        warehouse = workspace.warehouse()
        rest = warehouse.table("customers").to_polars().filter(pl.col("customer_id") != gone)
        warehouse.close()
        shutil.rmtree(workspace.project.data_dir / "warehouse" / "customers")
        again = workspace.warehouse()
        again.upsert("customers", rest)
        again.close()
        go_on(workspace, run_id)
        assert account_of(workspace, run_id) == Account(audience=1_005, queued=1_004, unreachable=1)


@pytest.mark.parametrize("which", ["history", "values"])
def test_a_damaged_file_beside_the_audience_is_written_again(tmp_path: Path, which: str) -> None:
    with toy_project(tmp_path, body=BODY + "{{ profile.lifecycle }}") as toy:
        run_id = begun(toy, "toy")
        path = toy.history_file(run_id) if which == "history" else toy.values_file(run_id)
        path.write_bytes(b"PAR1 but nothing else")
        go_on(toy, run_id)
        assert account_of(toy, run_id) == Account(audience=6, unreachable=1, queued=5)


def test_people_who_were_given_can_not_be_found_again(toy: Workspace) -> None:
    """The run fails and says so, instead of being tried for ever."""
    launch(toy, "toy", by="test", audience=None)
    people = pl.DataFrame({"customer_id": ["c1", "c2"], "email": ["ana@new.example", "bo@new.example"]})
    due = Due(RunKind.EVENT, "people 1", toy.clock.now())
    with written_people(toy, people, salt="1") as written, toy.store.transaction() as connection:
        launch_id = launches.current_launches(connection)["toy"].id
        run = freeze_people(toy, connection, written, campaign="toy", launch_id=launch_id, due=due)
    assert run is not None
    toy.audience_file(run.id).write_bytes(b"")
    with pytest.raises(AutomationError, match=f"the file with the people of run {run.id} is missing or damaged"):
        go_on(toy, run.id)
    assert run_status(toy, run.id).run.state is RunState.FAILED
