"""What becomes a run: on time, after downtime, during a stop, after a relaunch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from support.project import CAMPAIGN, write_project

from automation.clock import ManualClock
from automation.runner.due_runs import claim_due
from automation.runner.launch import launch
from automation.runner.stopping import resume, stop
from automation.schedule.calendar import local_time, next_times, scheduled_campaigns
from automation.store import runs
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

LAUNCHED = datetime(2026, 10, 23, 6, tzinfo=UTC)  # a Friday; Berlin's clocks go back on Sunday the 25th


class Shop:
    """A project whose clock the test moves."""

    def __init__(self, root: Path, schedule: str) -> None:
        write_project(root, schedule=schedule)
        self.clock = ManualClock(LAUNCHED)
        self.workspace: Workspace = open_workspace(root, clock=self.clock)
        launch(self.workspace, "hello", by="test", audience=0)

    def at(self, text: str) -> list[str]:
        """The keys of the runs that are claimed when the daemon looks at this instant (UTC)."""
        self.clock.set(datetime.fromisoformat(text).replace(tzinfo=UTC))
        entries = scheduled_campaigns(self.workspace, LaunchedCampaigns(self.workspace.project))
        return [run.due_key for entry in entries for run in claim_due(self.workspace, entry)]

    def keys(self) -> list[str]:
        with self.workspace.store.reading() as connection:
            return sorted(run.due_key for run in runs.find(connection))


@pytest.fixture
def schedule() -> str:
    return "every: day 02:30"


@pytest.fixture
def shop(tmp_path: Path, schedule: str) -> Iterator[Shop]:
    made = Shop(tmp_path, schedule)
    yield made
    made.workspace.store.close()


def test_the_doubled_hour_makes_one_run(shop: Shop) -> None:
    assert shop.at("2026-10-25 00:29") == ["2026-10-24T02:30"]  # the day before, caught up
    assert shop.at("2026-10-25 00:30") == ["2026-10-25T02:30"]
    assert shop.at("2026-10-25 01:30") == []  # the clock shows 02:30 again
    assert shop.at("2026-10-26 01:30") == ["2026-10-26T02:30"]


def test_two_daemons_make_one_run(shop: Shop) -> None:
    entries = scheduled_campaigns(shop.workspace, LaunchedCampaigns(shop.workspace.project))
    shop.clock.set(datetime(2026, 10, 24, 0, 31, tzinfo=UTC))
    with shop.workspace.store.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM fact WHERE key LIKE 'due_until:%'")
    assert [len(claim_due(shop.workspace, entries[0])) for _ in range(2)] == [1, 0]


@pytest.mark.parametrize(
    ("schedule", "claimed"),
    [
        ("every: day 08:00", ["2026-10-27T08:00"]),
        ("every: day 08:00, catch_up: all, max_lateness: 50h", ["2026-10-26T08:00", "2026-10-27T08:00"]),
        ("every: day 08:00, catch_up: none", []),
        ("every: day 08:00, max_lateness: 1h", []),
    ],
)
def test_downtime_is_treated_as_the_campaign_says(shop: Shop, claimed: list[str]) -> None:
    assert shop.at("2026-10-27 10:00") == claimed  # three days after the launch, three hours after the last one
    assert shop.at("2026-10-27 10:01") == []  # and looked at once
    assert shop.at("2026-10-28 07:00") == ["2026-10-28T08:00"]


def test_what_was_due_during_a_stop_is_not_made_up_for(shop: Shop) -> None:
    stop(shop.workspace, None, by="test")
    assert shop.at("2026-10-24 00:30") == []
    shop.clock.set(datetime(2026, 10, 25, 12, tzinfo=UTC))
    assert resume(shop.workspace, None)
    assert not resume(shop.workspace, None)
    assert shop.at("2026-10-25 12:01") == []
    assert shop.at("2026-10-26 01:30") == ["2026-10-26T02:30"]


def test_an_edit_fires_no_backlog(shop: Shop, tmp_path: Path) -> None:
    shop.clock.set(datetime(2026, 10, 27, 10, tzinfo=UTC))
    (tmp_path / "campaigns" / "hello.yaml").write_text(CAMPAIGN % ("hello", "every: 15m, catch_up: all"))
    again = open_workspace(tmp_path, clock=shop.clock)
    launch(again, "hello", by="test", audience=0)
    entries = scheduled_campaigns(again, LaunchedCampaigns(again.project))
    assert claim_due(again, entries[0]) == []
    assert next_times(again, entries)["hello"].key == "2026-10-27T10:15Z"
    again.store.close()


@pytest.mark.parametrize("schedule", ["every: day 09:00, timezone: customer"])
def test_customers_time_begins_with_their_earliest_zone(shop: Shop) -> None:
    people = [("c1", "America/New_York"), ("c2", "Asia/Kolkata"), ("c3", None), ("c4", "Mars/Olympus")]
    warehouse = shop.workspace.warehouse()
    warehouse.upsert("customers", pl.DataFrame(people, schema=["customer_id", "timezone"], orient="row"))
    warehouse.close()
    (entry,) = scheduled_campaigns(shop.workspace, LaunchedCampaigns(shop.workspace.project))
    assert [zone.key for zone in entry.zones] == ["America/New_York", "Asia/Kolkata", "Europe/Berlin"]
    assert shop.at("2026-10-23 06:59") == []
    assert shop.at("2026-10-23 07:00") == ["2026-10-23T09:00"]  # in Berlin: it was over in Kolkata before the launch
    assert shop.at("2026-10-24 03:29") == []
    assert shop.at("2026-10-24 03:30") == ["2026-10-24T09:00"]  # nine o'clock in Kolkata
    with shop.workspace.store.reading() as connection:
        run, _ = runs.find(connection)
    assert local_time(run, entry.campaign) == datetime.fromisoformat("2026-10-24T09:00")
    assert shop.keys() == ["2026-10-23T09:00", "2026-10-24T09:00"]
