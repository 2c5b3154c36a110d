"""A run for people who are given: planned and delivered like any other, made once, and gone with its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.toy_project import deliver, outbox, toy_project

from automation.reporting.run_status import run_status
from automation.runner.launch import launch
from automation.runner.people_run import freeze_people, written_people
from automation.runner.run import advance
from automation.schedule.due_times import Due
from automation.store import launches, runs
from automation.store.runs import RunRow
from automation.types.run import Account, RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

CAMPAIGN = """
name: toy
topic: promotions
schedule: {every: day 09:00}
audience: {trait: country, is: nowhere}
send: {channels: [email], template: toy}
"""
BODY = "<p>Hello {{ customer.first_name }}</p><a href='{{ links.unsubscribe }}'>unsubscribe</a>"


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path, campaign=CAMPAIGN, body=BODY) as workspace:
        launch(workspace, "toy", by="test", audience=None)
        yield workspace


PEOPLE = pl.DataFrame(
    {
        "customer_id": ["c1", "c8", "stranger"],
        "email": ["ana@new.example", "eve@new.example", "x@new.example"],
        "first_name": ["Ana", "Eve", "X"],
    }
)


def make(toy: Workspace, people: pl.DataFrame = PEOPLE, *, key: str = "people 1") -> RunRow | None:
    due = Due(RunKind.EVENT, key, toy.clock.now())
    with written_people(toy, people, salt=key) as written, toy.store.transaction() as connection:
        launch_id = launches.current_launches(connection)["toy"].id
        return freeze_people(toy, connection, written, campaign="toy", launch_id=launch_id, due=due)


def files(toy: Workspace) -> list[str]:
    return sorted(path.name for path in (toy.project.data_dir / "runs").iterdir())


def test_people_get_the_campaign_s_message_with_the_traits_they_were_given(toy: Workspace) -> None:
    run = make(toy)
    assert run is not None
    advance(toy, LaunchedCampaigns(toy.project), run.id)
    deliver(toy)
    account = run_status(toy, run.id).account
    assert account == Account(audience=3, sent=2, suppressed=1), "nobody asked the stranger for consent"
    assert sorted((line["to"], line["subject"]) for line in outbox(toy)) == [
        ("ana@new.example", "Hello Ana"),
        ("eve@new.example", "Hello Eve"),
    ]
    assert files(toy) == [f"{run.id}.parquet"]


def test_the_same_due_key_makes_one_run(toy: Workspace) -> None:
    first = make(toy)
    assert first is not None
    assert make(toy) is None
    assert files(toy) == [f"{first.id}.parquet"]


def test_a_failed_transaction_leaves_no_run(toy: Workspace) -> None:
    due = Due(RunKind.EVENT, "people 1", toy.clock.now())

    def fail_afterwards() -> None:
        with written_people(toy, PEOPLE, salt="") as written, toy.store.transaction() as connection:
            freeze_people(toy, connection, written, campaign="toy", launch_id=1, due=due)
            raise RuntimeError("the caller's own writes failed")

    with pytest.raises(RuntimeError):
        fail_afterwards()
    with toy.store.reading() as connection:
        assert runs.find(connection) == []
    assert make(toy) is not None


def test_many_people_are_planned_in_batches(toy: Workspace) -> None:
    many = pl.DataFrame({"customer_id": [f"n{number:04d}" for number in range(2_001)]})
    with written_people(toy, many, salt="a") as written:
        assert [len(batch) for batch in written.batches] == [1_000, 1_000, 1]
        assert sorted(member for batch in written.batches for member in batch) == many["customer_id"].to_list()
    assert files(toy) == []
