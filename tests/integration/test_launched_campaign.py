"""What was launched is what runs, until somebody stops it or launches it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.toy_project import BODY, CAMPAIGN, CONFIG, again, deliver, message_to, start, toy_project

from automation.errors import AutomationError, Stopped
from automation.reporting.run_status import run_status
from automation.runner import launch as launching
from automation.runner import run as runs
from automation.runner import stopping
from automation.runner.campaign_status import campaign_statuses
from automation.schedule.due_times import Due
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.run import RunKind, RunState
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_workspace


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def test_what_was_launched_runs_whatever_is_saved_afterwards(toy: Workspace) -> None:
    launching.launch(toy, "toy", by="ana", audience=6)
    (campaign,) = campaign_statuses(toy)
    assert campaign.state == "launched"
    template = toy.project.root / "templates/toy/email.html"
    template.write_text("<p>A draft that nobody approved</p>")
    (campaign,) = campaign_statuses(toy)
    assert campaign.state == "changed since launch"
    again(toy, key="1")
    deliver(toy)
    assert "Hello Ana" in message_to(toy, "ana@example.com")[1]
    assert "draft" not in message_to(toy, "ben@example.com")[1]
    template.write_text(BODY)
    assert campaign_statuses(toy)[0].state == "launched"


def test_nothing_runs_before_a_launch_or_during_a_stop(toy: Workspace) -> None:
    due = Due(RunKind.MANUAL, "1", TOY_AS_OF)
    assert campaign_statuses(toy)[0].state == "draft"
    with pytest.raises(AutomationError, match="campaign 'toy' is not launched; run: automation launch toy"):
        runs.claim(toy, "toy", due)
    start(toy)
    stopping.stop(toy, None, by="ana")
    with pytest.raises(Stopped, match="everything was stopped by ana"):
        runs.claim(toy, "toy", replace(due, key="2"))
    assert deliver(toy).sent == 0
    assert stopping.resume(toy, None)
    stopping.stop(toy, "toy", by="ben")
    assert campaign_statuses(toy)[0].state == "stopped"
    assert deliver(toy).sent == 0
    stopping.resume(toy, "toy")
    assert deliver(toy).sent == 5
    with pytest.raises(AutomationError, match="there is no campaign 'tea'; the project has: toy"):
        stopping.stop(toy, "tea", by="ana")


def test_a_large_audience_needs_a_second_person(tmp_path: Path) -> None:
    with toy_project(tmp_path, campaign=CAMPAIGN + "limits: {approve_above: 5}\n") as toy:
        with pytest.raises(AutomationError, match="its audience is 6, above approve_above: 5; a second person runs"):
            launching.launch(toy, "toy", by="ana", audience=6)
        launching.launch(toy, "toy", by="ana", audience=6, approved_by="ben")
        assert campaign_statuses(toy)[0].state == "launched"


def test_a_project_file_that_no_longer_fits_stops_its_own_campaign_only(toy: Workspace) -> None:
    launching.launch(toy, "toy", by="test", audience=None)
    (toy.project.root / "config.yaml").write_text(CONFIG.replace("pct20:", "pct25:"))
    with open_workspace(toy.project.root, clock=toy.clock) as reopened:
        row = runs.claim(reopened, "toy", Due(RunKind.MANUAL, "1", TOY_AS_OF))
        assert row is not None
        with pytest.raises(AutomationError, match="campaign 'toy' as launched no longer fits"):
            runs.advance(reopened, LaunchedCampaigns(reopened.project), row.id)
        failed = run_status(reopened, row.id).run
        assert failed.state is RunState.FAILED
        assert "campaign 'toy' as launched no longer fits" in str(failed.error)
