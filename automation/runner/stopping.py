"""Stops and resumes a campaign, a channel or everything."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

from automation.errors import AutomationError
from automation.store import launches, pauses, schedules

if TYPE_CHECKING:
    from automation.workspace.opened import Opened


def stop(
    opened: Opened,
    name: str | None,
    *,
    by: str,
    drafts: Collection[str] = (),
    while_locked: Callable[[str], None] | None = None,
) -> None:
    """Stop a campaign, or everything where `name` is None: effective before the next message, and kept over restarts.

    drafts: names of campaigns that were never launched and can be stopped too. while_locked: keep trying while another
    process holds the store's write lock, and report that each time it took 15 seconds. Raises `AutomationError` for an
    unknown campaign.
    """
    while True:
        try:
            _stop(opened, name, by=by, drafts=drafts)
        except OperationalError as error:
            if while_locked is None or "locked" not in str(error.orig):
                raise
            while_locked("another process is writing to the store; still trying to stop")
        else:
            return


def _stop(opened: Opened, name: str | None, *, by: str, drafts: Collection[str]) -> None:
    with opened.store.transaction() as connection:
        known = {*drafts, *launches.current_launches(connection)}
        if name is not None and name not in known:
            raise AutomationError(f"there is no campaign {name!r}; the project has: {', '.join(sorted(known))}")
        pauses.stop(connection, name or pauses.EVERYTHING, by=by, now=opened.clock.now())


def resume(opened: Opened, name: str | None) -> bool:
    """Resume a campaign, or everything; returns whether it was stopped or paused.

    Due times that passed meanwhile count as handled.
    """
    with opened.store.transaction() as connection:
        was_paused = pauses.resume(connection, [name or pauses.EVERYTHING])
        if was_paused:
            names = [name] if name is not None else list(launches.current_launches(connection))
            schedules.set_handled_until(connection, names, opened.clock.now())
    return was_paused


def resume_channel(opened: Opened, channel: str) -> bool:
    """Returns whether the channel was paused."""
    return _resume_scope(opened, pauses.channel_scope(channel))


def resume_after_clock_jump(opened: Opened) -> bool:
    """Confirm that the clock is right now; returns whether everything was paused for a jump."""
    return _resume_scope(opened, pauses.CLOCK)


def _resume_scope(opened: Opened, scope: str) -> bool:
    with opened.store.transaction() as connection:
        return pauses.resume(connection, [scope])
