"""A rate is what it says, whoever shares it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from support.project import launched_project
from support.sink import sink
from support.soak import CONNECTIONS, SMTP

from automation.clock import SystemClock
from automation.delivery.committer import Delivery, executor_of
from automation.inbound.migration.gate import confirm_nothing_to_import
from automation.runner.run import advance, claim
from automation.schedule.due_times import Due
from automation.types.run import RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import open_workspace


@pytest.mark.slow
@pytest.mark.parametrize("where", ["channel", "campaign"])
def test_fifty_per_second_over_ten_seconds_by_four_workers(tmp_path: Path, where: str) -> None:
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
            delivery = Delivery(workspace, pinned, executor=executor_of(workspace))
            asyncio.run(delivery.deliver_due())
            assert delivery.sent == 600
        times = sorted(running.times())
    began = times[0] + 1  # connections are open by now
    in_ten_seconds = sum(began <= at < began + 10 for at in times)
    assert 490 <= in_ten_seconds <= 510


def _launch_with_rate(root: Path) -> None:
    from automation.runner.launch import launch

    file = root / "campaigns" / "hello.yaml"
    file.write_text(file.read_text() + "limits: {rate: 50 per second}\n")
    with open_workspace(root) as workspace:
        launch(workspace, "hello", by="test", audience=None)
