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
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import open_workspace

LAUNCHED = datetime(2026, 10, 31, 3, 30, tzinfo=UTC)
FIRST_OF_TWO = [
    datetime(2026, 10, 31, 5, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),  # 01:30 in summer time; it is 01:30 again an hour later
    datetime(2026, 11, 2, 6, 30, tzinfo=UTC),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule", ["cron: 30 1 * * *, timezone: America/New_York", "every: day 01:30, timezone: customer"]
)
def test_everybody_gets_one_message_a_night(tmp_path: Path, schedule: str) -> None:
    root = write_project(tmp_path, schedule=schedule)
    clock = ManualClock(LAUNCHED)
    with open_workspace(root, clock=clock) as workspace:
        fill(workspace, 3)
        warehouse = workspace.warehouse()
        people = warehouse.table("customers").to_polars()
        warehouse.upsert("customers", people.with_columns(timezone=pl.lit("America/New_York")))
        warehouse.close()
        launch(workspace, "hello", by="test", audience=None)
        pinned = LaunchedCampaigns(workspace.project)
        (entry,) = scheduled_campaigns(workspace, pinned)
        while clock.now() < LAUNCHED + timedelta(days=2.5):
            clock.advance(timedelta(hours=1))
            for run in claim_due(workspace, entry):
                advance(workspace, pinned, run.id)
            deliver(workspace)
        with workspace.store.reading() as connection:
            query = "SELECT granted_at, count(*) FROM message_status WHERE state = 'sent' GROUP BY 1 ORDER BY 1"
            found = [(from_millis(at), count) for at, count in connection.exec_driver_sql(query)]
    assert found == [(at, 3) for at in FIRST_OF_TWO]
