"""Notices a clock that jumped: nothing may start or expire by a wrong clock."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta

import structlog

from automation.clock import Clock, steady
from automation.store import pauses
from automation.types.plural import format_count
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

GAP = timedelta(minutes=5)
_NEW_REFERENCE = 3_600.0


class ClockWatch:
    """Compares the wall clock with one that never jumps. Cheap; checked before every commit.

    A jump pauses everything until the clock is back, or a person confirms it: `automation resume --clock`.
    """

    def __init__(self, clock: Clock, steadily: Callable[[], float] = steady) -> None:
        self._clock = clock
        self._steadily = steadily
        self._from = (clock.now(), steadily())
        self.jumped = timedelta(0)
        self.paused = False

    def trusts(self) -> bool:
        """Whether the clock has not jumped."""
        at, since = self._from
        passed = self._steadily() - since
        self.jumped = self._clock.now() - at - timedelta(seconds=passed)
        if abs(self.jumped) > GAP:
            return False
        if passed > _NEW_REFERENCE:
            self._from = (self._clock.now(), self._steadily())  # a clock that is corrected in small steps
        return True

    def accept(self) -> None:
        """Take the clock as right."""
        self._from = (self._clock.now(), self._steadily())


def apply_clock_watch(watch: ClockWatch, workspace: Workspace, scopes: Collection[str]) -> bool:
    """Pause after a jump and resume after it; returns whether the schedule may continue.

    scopes: what is stopped or paused now.
    """
    trusted = watch.trusts()
    paused = pauses.CLOCK in scopes
    if not trusted and watch.paused and not paused:
        log.warning("the clock was confirmed by a person", jump=str(watch.jumped))
        watch.accept()
        trusted = True
    elif not trusted and not watch.paused:
        pause_everything(workspace, watch.jumped)
    elif trusted and watch.paused and paused:
        log.warning("the clock is right again")
        with workspace.store.transaction() as connection:
            pauses.resume(connection, [pauses.CLOCK])
        paused = False
    watch.paused = not trusted
    return trusted and not paused


def pause_everything(workspace: Workspace, jump: timedelta) -> None:
    """Pause everything: nothing starts, is sent or expires."""
    reason = f"the clock jumped {_way(jump)}"
    log.error("everything is paused", because=reason)
    with workspace.store.transaction() as connection:
        pauses.pause(connection, pauses.CLOCK, reason=reason, now=workspace.clock.now())


def _way(jump: timedelta) -> str:
    minutes = round(abs(jump).total_seconds() / 60)
    return f"{format_count(minutes, 'minute')} {'ahead' if jump > timedelta(0) else 'back'}"
