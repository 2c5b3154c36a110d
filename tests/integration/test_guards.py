"""Runs that are held before anybody is contacted, and how they go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest
from support.toy_project import CAMPAIGN, CONFIG, deliver, toy_project

from automation.clock import ManualClock, monotonic
from automation.daemon.operation import read_operation
from automation.daemon.planner import Planner
from automation.errors import AutomationError
from automation.reporting.overview import overview
from automation.reporting.run_status import run_status
from automation.runner import guards
from automation.runner import run as runs
from automation.runner.claim import claim
from automation.runner.finish import finish
from automation.runner.launch import launch
from automation.runner.outline import read_outline
from automation.runner.plan import plan
from automation.schedule.due_times import Due
from automation.store import runs as stored
from automation.store.runs import RunRow
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.run import Account, RunKind, RunState
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

STRICT = "guards: {repeat: {at_least: 1}, size: {at_least: 1}}\n"
FRESH = "freshness: {purchase: 2d, view: 30d}\n"


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path, config=CONFIG + STRICT) as workspace:
        launch(workspace, "toy", by="test", audience=None)
        yield workspace


def start(workspace: Workspace, key: str, *, released_by: str | None = None, kind: RunKind = RunKind.MANUAL) -> RunRow:
    row = claim(workspace, "toy", Due(kind, key, workspace.clock.now()), released_by=released_by)
    assert row is not None
    return go_on(workspace, row.id)


def go_on(workspace: Workspace, run_id: int) -> RunRow:
    runs.advance(workspace, LaunchedCampaigns(workspace.project), run_id)
    return run_status(workspace, run_id).run


def later(workspace: Workspace, by: timedelta) -> None:
    assert isinstance(workspace.clock, ManualClock)
    workspace.clock.advance(by)


def test_the_same_people_again_are_held_until_somebody_releases_them(toy: Workspace) -> None:
    """Five get it at nine; a run an hour later finds the same five of six. A day is usual, so half of one counts."""
    assert start(toy, "1").state is RunState.SENDING
    deliver(toy)
    later(toy, timedelta(hours=1))
    held = start(toy, "2")
    assert held.state is RunState.HELD
    assert held.hold is not None
    assert (held.hold["guard"], held.hold["what"]) == (
        "repeat",
        "5 of its 6 people (83%) got this campaign within the last 12 hours; the limit is 30%",
    )
    account = run_status(toy, held.id).account
    assert account == Account(audience=6, unplanned=6)
    assert deliver(toy).sent == 0
    with pytest.raises(AutomationError) as refused:
        guards.refuse_held(held)
    assert str(refused.value) == (
        "run 2 of toy is HELD, nobody was contacted: 5 of its 6 people (83%) got this campaign within the last "
        "12 hours; the limit is 30%\n  to send it anyway: automation release 2"
    )
    assert [run.id for run in overview(toy, read_outline(toy)).held] == [2]
    guards.release(toy, held.id, by="dana")
    after = go_on(toy, held.id)
    assert (after.state, after.hold, after.released_by) == (RunState.SENDING, None, {"repeat": "dana"})
    assert deliver(toy).sent == 5
    with pytest.raises(AutomationError, match="run 2 is not held: it is done"):
        guards.release(toy, 2, by="dana")


def test_a_request_may_be_released_in_advance(toy: Workspace) -> None:
    start(toy, "1")
    assert start(toy, "2", released_by="dana").state is RunState.SENDING


def test_a_run_after_half_the_usual_interval_is_not_a_repeat(toy: Workspace) -> None:
    start(toy, "1")
    deliver(toy)
    later(toy, timedelta(hours=11, minutes=59))
    assert start(toy, "2").state is RunState.HELD
    later(toy, timedelta(minutes=2))
    assert start(toy, "3").state is RunState.SENDING


def test_the_usual_interval_is_measured_between_runs(toy: Workspace) -> None:
    """Due at 9, 11 and 13 o'clock: half of two hours."""
    for hour in (0, 2, 4):
        start(toy, f"2026-03-30T{hour:02}:00", kind=RunKind.SCHEDULE, released_by="x")
        later(toy, timedelta(hours=2))
    later(toy, timedelta(minutes=-50))
    held = start(toy, "again")
    assert held.state is RunState.SENDING  # the last was 1 h 10 min ago
    later(toy, timedelta(minutes=5))
    assert start(toy, "more").hold is not None


def test_the_repeat_guard_does_not_hold_a_campaign_with_re_entry(tmp_path: Path) -> None:
    with toy_project(tmp_path, campaign=CAMPAIGN + "reentry: after 1d\n", config=CONFIG + STRICT) as toy:
        launch(toy, "toy", by="test", audience=None)
        start(toy, "1")
        again = start(toy, "2")
        assert again.state is RunState.SENDING
        assert run_status(toy, again.id).account == Account(audience=6, unreachable=1, suppressed=5)


def test_a_guard_can_be_switched_off(tmp_path: Path) -> None:
    with toy_project(tmp_path, config=CONFIG + "guards: {repeat: {at_least: 1}, off: [repeat]}\n") as toy:
        launch(toy, "toy", by="test", audience=None)
        start(toy, "1")
        assert start(toy, "2").state is RunState.SENDING


def history(workspace: Workspace, *sizes: int) -> None:
    with workspace.store.transaction() as connection:
        for size in sizes:
            connection.exec_driver_sql(
                "INSERT INTO run (campaign, kind, due_key, due_at, launch_id, state, audience, created_at, versions, "
                "offer_plan) VALUES ('toy', 'manual', hex(randomblob(8)), 0, 1, 'done', ?, 0, '{}', '{}')",
                (size,),
            )


@pytest.mark.parametrize(
    ("sizes", "held"),
    [
        ((2, 2), False),  # two runs are no history
        ((2, 2, 1), False),  # 6 is three times the median of 2, and not more
        ((1, 1, 2), True),  # 6 times the median, and far outside of a spread of 0
        ((1, 1, 2, 2, 1), True),
        ((1, 2, 3, 1), True),  # median 1.5, spread 1.4826 * 0.5: up to 1.5 + 5 * 0.74 = 5.2 is usual
        ((1, 2, 4, 1), True),  # the same spread
        ((1, 3, 5, 1), False),  # median 2, spread 1.4826 * 1: up to 9.4
    ],
)
def test_an_unusually_large_audience_is_held(toy: Workspace, sizes: tuple[int, ...], held: bool) -> None:
    history(toy, *sizes)
    assert (guards.check_size(toy, "toy", 6) is not None) == held


def test_a_hold_for_a_large_audience_names_the_usual_size(toy: Workspace) -> None:
    history(toy, 1, 1, 2)
    held = start(toy, "1")
    assert held.hold is not None
    assert (
        held.hold["what"]
        == "its audience is 6, 6.0 times the usual 1 (median of its last 3 runs); the limit is 3 times"
    )
    guards.release(toy, held.id, by="dana")
    assert go_on(toy, held.id).state is RunState.SENDING


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((), None),
        ((4, 0, 5), None),  # it was empty before
        ((2,), "its audience is empty, and that of its last run was 2"),
        ((4, 5, 9), "its audience is empty, and none of its last 3 runs had an empty one (median 5)"),
    ],
)
def test_an_audience_that_is_empty_for_the_first_time_is_held_until_somebody_releases_it(
    tmp_path: Path, sizes: tuple[int, ...], said: str | None
) -> None:
    empty = CAMPAIGN.replace("audience: {did: purchase}", "audience: {trait: country, is: XX}")
    with toy_project(tmp_path, campaign=empty) as toy:
        history(toy, *sizes)
        launch(toy, "toy", by="test", audience=None)
        held = start(toy, "1")
        assert (held.hold or {}).get("what") == said
        if said is None:
            assert held.state is RunState.SENDING
            return
        assert held.hold is not None
        assert (held.state, held.hold["guard"]) == (RunState.HELD, guards.SIZE)
        warned = [check.detail for check in read_operation(toy).checks() if check.name == "held runs"]
        assert warned == [f"run {held.id} of toy: {said}; to send it anyway: automation release {held.id}"]
        assert f"the run would be held: {said}" in plan(toy, "toy").warnings
        assert go_on(toy, held.id).state is RunState.HELD
        guards.release(toy, held.id, by="dana")
        assert go_on(toy, held.id).state is RunState.SENDING
        finish(toy)
        assert start(toy, "2").hold is None  # since then it may be empty


def test_stale_data_holds_a_run_until_new_data_arrives(tmp_path: Path) -> None:
    """The newest purchase before 9:00 on 30 March is c1's of the 20th."""
    with toy_project(tmp_path, config=CONFIG + FRESH) as toy:
        launch(toy, "toy", by="test", audience=None)
        held = start(toy, "1")
        assert held.state is RunState.HELD
        assert held.hold is not None
        assert held.hold["what"] == (
            "stale data: the newest purchase event is from 2026-03-20 09:15 CET (limit: 2 days)"
        )
        assert run_status(toy, held.id).account == Account(audience=0)
        assert go_on(toy, held.id) == held
        later(toy, timedelta(minutes=1))  # c4's purchase of 9:00 is there now
        gone = go_on(toy, held.id)
        assert (gone.state, gone.hold) == (RunState.SENDING, None)
        assert deliver(toy).sent == 5


def test_a_plan_says_that_the_run_would_be_held(tmp_path: Path) -> None:
    with toy_project(tmp_path, config=CONFIG + FRESH + STRICT) as toy:
        history(toy, 1, 1, 2)
        old = "stale data: the newest purchase event is from 2026-03-20 09:15 CET (limit: 2 days)"
        large = "its audience is 6, 6.0 times the usual 1 (median of its last 3 runs); the limit is 3 times"
        assert plan(toy, "toy").warnings == [f"the run would be held: {old}", f"the run would be held: {large}"]
        later(toy, timedelta(minutes=1))  # c4 buys at 9:00
        with pytest.raises(AutomationError, match="is not launched: its audience is 6, 6"):
            guards.refuse_unusual_size(toy, "toy", plan(toy, "toy").audience)


def test_a_held_run_ends_when_it_is_too_late(tmp_path: Path) -> None:
    with toy_project(tmp_path, config=CONFIG + FRESH) as toy:
        launch(toy, "toy", by="test", audience=None)
        held = start(toy, "1")
        later(toy, timedelta(hours=24, seconds=1))
        over = go_on(toy, held.id)
        assert over.state is RunState.EXPIRED
        assert over.error is not None
        assert over.error.startswith("held until it was too late: stale data")
        assert overview(toy, read_outline(toy)).held == []


def test_a_campaign_may_have_its_own_limit_and_only_what_it_looks_at_counts(tmp_path: Path) -> None:
    fresh = CONFIG + FRESH
    lenient = CAMPAIGN + "limits: {freshness: {purchase: 20d}}\n"
    with toy_project(tmp_path / "a", config=fresh, campaign=lenient) as toy:
        launch(toy, "toy", by="test", audience=None)
        assert start(toy, "1").state is RunState.SENDING
    plain = "name: toy\ntopic: promotions\nschedule: {every: day 09:00}\nsend: {channels: [email], template: toy}\n"
    with toy_project(tmp_path / "b", config=fresh, campaign=plain + "audience: {trait: country, is: PT}\n") as toy:
        campaign = toy.project.campaigns["toy"].campaign
        assert campaign is not None
        assert guards.event_types_used(campaign, toy.project) == set()


@pytest.mark.parametrize(
    ("audience", "types"),
    [
        ("{did: view, in_the_last: 3d}", {"view"}),
        ("{all: [{did: view}, {did_not: purchase}]}", {"view", "purchase"}),
        ("{segment: tea}", {"purchase"}),
        ("{profile: frequency, at_least: 2}", {"purchase"}),
        ("{message: {campaign: toy, was: opened}}", {"purchase"}),
        ("everyone", set()),
    ],
)
def test_the_event_types_that_a_campaign_depends_on(tmp_path: Path, audience: str, types: set[str]) -> None:
    plain = "name: toy\ntopic: promotions\nschedule: {every: day 09:00}\nsend: {channels: [email], template: toy}\n"
    with toy_project(tmp_path, campaign=f"{plain}audience: {audience}\n") as toy:
        campaign = toy.project.campaigns["toy"].campaign
        assert campaign is not None, toy.project.problems
        assert guards.event_types_used(campaign, toy.project) == types


def test_a_held_run_stays_claimed(toy: Workspace) -> None:
    start(toy, "1")
    held = start(toy, "2")
    with toy.store.reading() as connection:
        assert [run.id for run in stored.find(connection, open_only=True)] == [2, 1]
    assert held.audience == 6
    assert toy.clock.now() == TOY_AS_OF


def test_the_daemon_s_planner_plans_a_held_run_again_once_it_is_released(toy: Workspace) -> None:
    start(toy, "1")
    row = claim(toy, "toy", Due(RunKind.MANUAL, "2", toy.clock.now()))
    assert row is not None
    planner = Planner(lambda: toy, lambda: None)
    planner.start()
    try:
        assert comes_to(toy, row.id, RunState.HELD)
        guards.release(toy, row.id, by="dana")
        planner.wake()
        assert comes_to(toy, row.id, RunState.SENDING)
    finally:
        planner.stop()
        planner.join(10)


def comes_to(workspace: Workspace, run_id: int, state: RunState) -> bool:
    """Whether the run has the state within half a minute."""
    deadline = monotonic() + 30
    while run_status(workspace, run_id).run.state is not state:
        if monotonic() > deadline:
            return False
        sleep(0.05)
    return True
