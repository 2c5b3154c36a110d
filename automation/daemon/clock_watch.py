"""Notices that the clock jumped: what is due by a wrong clock must neither start nor expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from automation.clock import Clock, steady
from automation.store import pauses
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

GAP = timedelta(minutes=5)
_NEW_REFERENCE = 3_600.0


class ClockWatch:
    """Compares the clock with one that never jumps, from when it was made. Cheap; asked before every commit.

    A jump pauses everything until the clock is back, or a person says that it is right: `automation resume --clock`.
    """

    def __init__(self, clock: Clock, steadily: Callable[[], float] = steady) -> None:
        self._clock = clock
        self._steadily = steadily
        self._from = (clock.now(), steadily())
        self.jumped = timedelta(0)
        self.paused = False

    def trusts(self) -> bool:
        """Whether the clock goes as it should."""
        at, since = self._from
        passed = self._steadily() - since
        self.jumped = self._clock.now() - at - timedelta(seconds=passed)
        if abs(self.jumped) > GAP:
            return False
        if passed > _NEW_REFERENCE:
            self._from = (self._clock.now(), self._steadily())  # a clock that is set right little by little
        return True

    def accept(self) -> None:
        """The clock is right as it is."""
        self._from = (self._clock.now(), self._steadily())


def follow(watch: ClockWatch, workspace: Workspace) -> bool:
    """Pause and resume by what the watch says; returns whether the schedule may go on."""
    trusted = watch.trusts()
    with workspace.store.reading() as connection:
        paused = pauses.CLOCK in pauses.paused_scopes(connection).scopes
    if not trusted and watch.paused and not paused:
        log.warning("somebody says that the clock is right", jump=str(watch.jumped))
        watch.accept()
        trusted = True
    elif not trusted and not watch.paused:
        pause(workspace, watch.jumped)
    elif trusted and watch.paused and paused:
        log.warning("the clock is back")
        with workspace.store.transaction() as connection:
            pauses.resume(connection, [pauses.CLOCK])
        paused = False
    watch.paused = not trusted
    return trusted and not paused


def pause(workspace: Workspace, jump: timedelta) -> None:
    """Nothing starts, leaves or expires by a clock like this."""
    reason = f"the clock jumped {_way(jump)}"
    log.error("everything is paused", because=reason)
    with workspace.store.transaction() as connection:
        pauses.pause(connection, pauses.CLOCK, reason=reason, now=workspace.clock.now())


def _way(jump: timedelta) -> str:
    minutes = round(abs(jump).total_seconds() / 60)
    return f"{minutes:,} minutes {'ahead' if jump > timedelta(0) else 'back'}"
