"""What was launched is what runs, until somebody stops it or launches it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.toy_project import BODY, CAMPAIGN, CONFIG, again, deliver, message_to, start, toy_project

from automation.clock import ManualClock
from automation.errors import AutomationError, Stopped
from automation.reporting.run_status import run_status
from automation.runner import launch as launching
from automation.runner import run as runs
from automation.runner import stopping
from automation.runner.campaign_status import campaign_statuses
from automation.runner.changed_plugins import pause_changed
from automation.runner.claim import claim
from automation.schedule.due_times import Due
from automation.store import launches
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
        claim(toy, "toy", due)
    start(toy)
    stopping.stop(toy, None, by="ana")
    with pytest.raises(Stopped, match="everything was stopped by ana"):
        claim(toy, "toy", replace(due, key="2"))
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
        row = claim(reopened, "toy", Due(RunKind.MANUAL, "1", TOY_AS_OF))
        assert row is not None
        with pytest.raises(AutomationError, match="campaign 'toy' as launched no longer fits"):
            runs.advance(reopened, LaunchedCampaigns(reopened.project), row.id)
        failed = run_status(reopened, row.id).run
        assert failed.state is RunState.FAILED
        assert "campaign 'toy' as launched no longer fits" in str(failed.error)


def test_a_launch_pins_what_its_plan_showed(tmp_path: Path) -> None:
    """Somebody saves another template and campaign while the plan is being read."""
    with toy_project(tmp_path) as toy:
        template = tmp_path / "templates/toy/email.html"

        def read_and_edit(_: object) -> None:
            template.write_text("<p>A draft that nobody saw</p>")
            (tmp_path / "campaigns/toy.yaml").write_text(CAMPAIGN + "description: another\n")

        result = launching.plan_and_launch(toy, "toy", launching.LaunchOptions(), by="ana", show=read_and_edit)
        assert result.launch_id is not None
        with toy.store.reading() as connection:
            launch = launches.read_launch(connection, result.launch_id)
            assert launches.read_content(connection, launch.campaign_sha256).decode() == CAMPAIGN
            assert launches.read_content(connection, launch.templates["toy/email.html"]).decode() == BODY
    with open_workspace(tmp_path) as again_opened:
        assert campaign_statuses(again_opened)[0].state == "changed since launch"


PLUGIN = """
from automation.hookspecs import hookimpl

@hookimpl
def register_template_filters(register):
    register("shout", lambda text: str(text).upper() + "%s")
"""
SHOUTED = BODY.replace("customer.first_name", "customer.first_name|shout", 1)


def reopened(root: Path) -> Workspace:
    return open_workspace(root, clock=ManualClock(TOY_AS_OF))


def test_a_changed_plugin_holds_the_campaigns_that_use_it_until_they_are_launched_again(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    plugin = tmp_path / "plugins/shouting.py"
    plugin.write_text(PLUGIN % "!")
    (tmp_path / "plugins/other.py").write_text(PLUGIN.replace("shout", "whisper") % "?")
    with toy_project(tmp_path, body=SHOUTED) as toy:
        start(toy)
        assert pause_changed(toy) == []
    (tmp_path / "plugins/other.py").write_text(PLUGIN.replace("shout", "whisper") % "??")  # not used by the campaign
    with reopened(tmp_path) as toy:
        assert pause_changed(toy) == []
        assert campaign_statuses(toy)[0].state == "launched"
    plugin.write_text(PLUGIN % "!!!")
    with reopened(tmp_path) as toy:
        assert campaign_statuses(toy)[0].state == "changed since launch"
        with pytest.raises(Stopped, match=r"plugin 'shouting' changed since .*automation launch toy"):
            again(toy, key="2")
        (told,) = pause_changed(toy)
        assert told.startswith("campaign 'toy' is paused: plugin 'shouting' changed since the launch: it was ")
        assert deliver(toy).sent == 0, "the messages that wait are not written by another code than was launched"
        start(toy, key="3")
        assert pause_changed(toy) == []
        assert deliver(toy).sent == 10, "what waited, and the new run"


def test_a_plugin_that_is_back_as_it_was_is_no_change(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    plugin = tmp_path / "plugins/shouting.py"
    plugin.write_text(PLUGIN % "!")
    with toy_project(tmp_path, body=SHOUTED) as toy:
        start(toy)
    plugin.write_text(PLUGIN % "?")
    with reopened(tmp_path) as toy:
        assert pause_changed(toy)
    plugin.write_text(PLUGIN % "!")
    with reopened(tmp_path) as toy:
        assert pause_changed(toy) == []
        assert stopping.resume(toy, "toy")
        assert deliver(toy).sent == 5
