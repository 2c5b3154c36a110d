"""A rate is what it says, however many workers share it. Counted by when messages were granted, not by when they came:
a busy machine delays arrivals, and never grants more than the rate allows."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.project import launched_project
from support.sink import sink
from support.soak import CONNECTIONS, SMTP

from automation.clock import SystemClock
from automation.delivery.committer import Delivery, make_executor
from automation.delivery.rates import AHEAD, BEHIND
from automation.inbound.migration.gate import confirm_nothing_to_import
from automation.runner.claim import claim
from automation.runner.run import advance
from automation.schedule.due_times import Due
from automation.store.engine import table
from automation.store.tables import MessageStatus
from automation.types.run import RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import open_workspace

RATE, SECONDS = 50, 10
MOST = RATE * SECONDS + RATE * (AHEAD + BEHIND) // 1_000_000 + 1
"""In any ten seconds: what the rate says, slots that may lie ahead, and missed slots that are made up for."""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["channel", "campaign"])
def test_four_workers_together_keep_fifty_per_second(tmp_path: Path, where: str) -> None:
    with sink(tmp_path) as running:
        root = launched_project(tmp_path / "shop", customers=600, launched_at=SystemClock().now() - timedelta(hours=1))
        config = SMTP % (running.port, CONNECTIONS, 4)
        if where == "channel":
            config = config.replace("    using: smtp", "    using: smtp\n    rate: 50 per second")
        (root / "config.yaml").write_text(config)
        with open_workspace(root) as workspace:
            confirm_nothing_to_import(workspace, by="test", because="nobody is real")
            if where == "campaign":
                _launch_with_rate(root)
        with open_workspace(root) as workspace:
            run = claim(workspace, "hello", Due(RunKind.MANUAL, "1", workspace.clock.now()))
            assert run is not None
            pinned = LaunchedCampaigns(workspace.project)
            advance(workspace, pinned, run.id)
            delivery = Delivery(workspace, pinned, executor=make_executor(workspace))
            asyncio.run(delivery.deliver_due())
            assert delivery.sent == 600
            with workspace.store.reading() as connection:
                times = sorted(connection.execute(sa.select(table(MessageStatus).c.granted_at)).scalars())
    within = [bisect_left(times, began + SECONDS * 1000) - number for number, began in enumerate(times)]
    assert max(within) <= MOST


def _launch_with_rate(root: Path) -> None:
    from automation.runner.launch import launch

    file = root / "campaigns" / "hello.yaml"
    file.write_text(file.read_text() + "limits: {rate: 50 per second}\n")
    with open_workspace(root) as workspace:
        launch(workspace, "hello", by="test", audience=None)
