"""What can never happen is said before a launch; what goes on without its file, by every command that looks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from support.toy_project import CAMPAIGN, start, toy_project

from automation.clock import ManualClock
from automation.errors import AutomationError, ConfigurationError
from automation.reporting.doctor import diagnose
from automation.runner.campaign_status import campaign_statuses
from automation.runner.launch import LaunchOptions, plan_and_launch
from automation.runner.plan import plan
from automation.runner.validation import validate
from automation.testing.toy_shop import TOY_AS_OF
from automation.workspace.workspace import open_workspace

PAST = "is wholly in the past: its last day was"
CLOCK = ManualClock(TOY_AS_OF)  # 30 March 2026


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ('{at: "2026-03-30 08:00"}', f"schedule: {PAST} 2026-03-30, so no run will ever be due"),
        ('{at: "2025-11-28 09:00", timezone: customer}', f"schedule: {PAST} 2025-11-28"),
        ("{every: day 09:00, until: 2026-03-29}", f"schedule: {PAST} 2026-03-29"),
        ("{cron: '0 9 31 2 *'}", "schedule: has no due time in the next two years"),
        ("{every: day 09:00, until: 2026-03-31}", None),
        ('{at: "2031-03-30 08:00"}', None),
        ("{every: day 09:00, from: 2031-01-01}", None),
    ],
)
def test_a_schedule_in_the_past(tmp_path: Path, schedule: str, text: str | None) -> None:
    with toy_project(tmp_path, campaign=CAMPAIGN.replace("{every: day 09:00}", schedule)) as toy:
        shown = [str(problem) for problem in plan(toy, "toy", preflight="off").problems]
        if text is None:
            assert shown == []
            return
        with pytest.raises(AutomationError, match="--accept-warnings"):
            plan_and_launch(toy, "toy", LaunchOptions(preflight="off"), by="test")

    assert [line.split(": ", 1)[1] for line in shown] == [shown[0].split(": ", 1)[1]]
    assert shown[0].split(": ", 1)[1].startswith(text)
    assert [str(problem) for problem in validate(tmp_path, CLOCK).problems] == shown


def test_rules_that_can_never_hold(tmp_path: Path) -> None:
    never = "{all: [{trait: country, is: DE}, {trait: country, is: PT}]}"
    text = CAMPAIGN.replace("{did: purchase}", never)
    expected = pytest.raises(ConfigurationError, match=r"audience\.all\[2\]: can never hold beside audience\.all\[1\]")
    with toy_project(tmp_path, campaign=text) as toy, expected:
        plan(toy, "toy")
    (problem,) = validate(tmp_path, CLOCK).problems
    assert (problem.severity, problem.path, problem.line) == ("error", "audience.all[2]", 5)


def test_a_ranking_by_a_condition(tmp_path: Path) -> None:
    text = CAMPAIGN.replace("{did: purchase}", "{top: 5, by: tea}")
    expected = pytest.raises(ConfigurationError, match="the segment 'tea' is a condition, which gives nobody a score")
    with toy_project(tmp_path, campaign=text) as toy, expected:
        plan(toy, "toy")


def test_a_launched_campaign_whose_file_is_gone(tmp_path: Path) -> None:
    with toy_project(tmp_path) as toy:
        start(toy)
    (tmp_path / "campaigns" / "toy.yaml").unlink()

    with open_workspace(tmp_path, clock=ManualClock(TOY_AS_OF + timedelta(days=1))) as opened:
        (state,) = [campaign.state for campaign in campaign_statuses(opened)]
        found = {check.name: check for check in diagnose(opened).checks}
    (problem,) = validate(tmp_path, CLOCK).problems

    assert state == "file is gone"
    assert found["campaigns"].state == "warning"
    assert found["campaigns"].detail.startswith(
        "launched and running on without their files: toy; to end one: automati"
    )
    assert str(problem).startswith("campaigns/toy.yaml:1:1: the campaign is launched and runs on, but its file is gone")
    assert problem.severity == "warning"


def test_the_toy_campaign_has_none_of_this(tmp_path: Path) -> None:
    with toy_project(tmp_path) as toy:
        assert plan(toy, "toy", preflight="off").problems == ()
    assert validate(tmp_path, CLOCK).problems == ()
