"""A campaign on the night on which New York's clocks go back, from the schedule to the message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.project import fill, write_project
from support.toy_project import deliver

from automation.clock import ManualClock, from_millis
from automation.runner.due_runs import claim_due
from automation.runner.launch import launch
from automation.runner.run import advance
from automation.schedule.calendar import scheduled_campaigns
from automation.store.ledger import decisions
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace

LAUNCHED = datetime(2026, 10, 31, 3, 30, tzinfo=UTC)
FIRST_OF_TWO = [
    datetime(2026, 10, 31, 5, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),  # 01:30 in summer time; it is 01:30 again an hour later
    datetime(2026, 11, 2, 6, 30, tzinfo=UTC),
]


def in_zones(workspace: Workspace, zones: list[str]) -> None:
    """A customer in each of these zones."""
    fill(workspace, len(zones))
    warehouse = workspace.warehouse()
    people = warehouse.table("customers").order_by("customer_id").to_polars()
    warehouse.upsert("customers", people.with_columns(timezone=pl.Series(zones)))
    warehouse.close()


def run_until(workspace: Workspace, end: datetime, *, every: timedelta) -> list[tuple[datetime, int]]:
    """Launch, and do what the daemon does until then; when messages left, and how many."""
    assert isinstance(workspace.clock, ManualClock)
    launch(workspace, "hello", by="test", audience=None)
    pinned = LaunchedCampaigns(workspace.project)
    (entry,) = scheduled_campaigns(workspace, pinned)
    while workspace.clock.now() < end:
        workspace.clock.advance(every)
        for run in claim_due(workspace, entry):
            advance(workspace, pinned, run.id)
        deliver(workspace)
    with workspace.store.reading() as connection:
        query = "SELECT granted_at, count(*) FROM message_status WHERE state = 'sent' GROUP BY 1 ORDER BY 1"
        return [(from_millis(at), count) for at, count in connection.exec_driver_sql(query)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule", ["cron: 30 1 * * *, timezone: America/New_York", "every: day 01:30, timezone: customer"]
)
def test_everybody_gets_one_message_a_night(tmp_path: Path, schedule: str) -> None:
    root = write_project(tmp_path, schedule=schedule)
    with open_workspace(root, clock=ManualClock(LAUNCHED)) as workspace:
        in_zones(workspace, ["America/New_York"] * 3)
        found = run_until(workspace, LAUNCHED + timedelta(days=2.5), every=timedelta(hours=1))
    assert found == [(at, 3) for at in FIRST_OF_TWO]


def test_whose_time_had_passed_at_the_launch_waits_for_the_next_day_and_nobody_else(tmp_path: Path) -> None:
    """Launched at midnight in New York, when it was 01:30 in Berlin four hours ago."""
    root = write_project(tmp_path, schedule="every: day 01:30, timezone: customer")
    launched = datetime(2026, 11, 1, 4, tzinfo=UTC)
    with open_workspace(root, clock=ManualClock(launched)) as workspace:
        in_zones(workspace, ["America/New_York", "America/New_York", "Europe/Berlin"])
        found = run_until(workspace, launched + timedelta(hours=3), every=timedelta(minutes=90))
        with workspace.store.reading() as connection:
            (berlin,) = decisions.find(connection, customer_id="c00002")
    assert found == [(FIRST_OF_TWO[1], 2)]
    assert (berlin.outcome, berlin.reason) == ("suppressed", "before_launch")
