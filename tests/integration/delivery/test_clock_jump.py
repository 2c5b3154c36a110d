"""A system clock that jumps pauses everything until it is right again or a person resumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.toy_project import account_of, deliver, start, toy_project

from automation.clock import ManualClock
from automation.daemon import clock_watch
from automation.daemon.clock_watch import ClockWatch
from automation.reporting.overview import overview
from automation.runner.outline import read_outline
from automation.store import pauses
from automation.workspace.workspace import Workspace


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


def apply(watch: ClockWatch, workspace: Workspace) -> bool:
    with workspace.store.reading() as connection:
        scopes = pauses.paused_scopes(connection).scopes
    return clock_watch.apply_clock_watch(watch, workspace, scopes)


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=1), timedelta(days=-1)])
def test_a_clock_jump_pauses_everything_until_the_clock_is_right_again(toy: Workspace, jump: timedelta) -> None:
    assert isinstance(toy.clock, ManualClock)
    steady = [0.0]
    watch = ClockWatch(toy.clock, lambda: steady[0])
    run_id = start(toy)
    assert apply(watch, toy)
    toy.clock.advance(jump)
    assert not watch.trusts()
    assert not apply(watch, toy)
    (paused,) = overview(toy, read_outline(toy)).paused
    minutes = abs(int(jump.total_seconds())) // 60
    assert paused.reason == f"the clock jumped {minutes:,} minutes {'ahead' if jump > timedelta(0) else 'back'}"
    assert deliver(toy).settled == 0
    assert account_of(toy, run_id).queued == 5  # nothing expired by the wrong clock either
    toy.clock.advance(-jump + timedelta(seconds=30))
    steady[0] += 30.0
    assert apply(watch, toy)
    assert deliver(toy).sent == 5


class JumpsWhileChecked(ManualClock):
    """Jumps an hour ahead just after it was asked for the `asked`th time."""

    asked = -1

    def now(self) -> datetime:
        at = super().now()
        self.asked -= 1
        if self.asked == 0:
            self.advance(timedelta(hours=1))
        return at


def test_a_jump_during_a_check_is_not_taken_for_a_resume_by_a_person(toy: Workspace) -> None:
    clock = JumpsWhileChecked(toy.clock.now())
    workspace = replace(toy, clock=clock)
    watch = ClockWatch(clock, lambda: 0.0)
    clock.asked = 1
    apply(watch, workspace)
    assert not apply(watch, workspace)
    assert not apply(watch, workspace)
    shown = overview(workspace, read_outline(workspace))
    assert [pause.reason for pause in shown.paused] == ["the clock jumped 60 minutes ahead"]


def test_a_person_may_resume_after_a_clock_jump(toy: Workspace) -> None:
    assert isinstance(toy.clock, ManualClock)
    watch = ClockWatch(toy.clock, lambda: 0.0)
    toy.clock.advance(timedelta(hours=1))
    assert not apply(watch, toy)
    with toy.store.transaction() as connection:
        assert pauses.resume(connection, [pauses.CLOCK])
    assert apply(watch, toy)
    assert watch.trusts()
