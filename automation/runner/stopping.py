"""Stops and resumes a campaign, a channel or everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from automation.errors import AutomationError
from automation.store import launches, pauses, schedules
from automation.store.statements import is_locked

if TYPE_CHECKING:
    from automation.workspace.opened import OpenedByStatements


def stop(
    opened: OpenedByStatements,
    name: str | None,
    *,
    by: str,
    drafts: Callable[[], Iterable[str]] = tuple,
    while_locked: Callable[[str], None] | None = None,
) -> None:
    """Stop a campaign, or everything where `name` is None: effective before the next message, and kept over restarts.

    drafts: gives the names of campaigns that were never launched, which can be stopped too. while_locked: keep trying
    while another process holds the store's write lock, and report that each time it took 15 seconds. Raises
    `AutomationError` for an unknown campaign.
    """
    if name is not None:
        _refuse_unknown(opened, name, drafts)
    while True:
        try:
            with opened.store.transaction() as connection:
                pauses.stop(connection, name or pauses.EVERYTHING, by=by, now=opened.clock.now())
        except Exception as error:
            if while_locked is None or not is_locked(error):
                raise
            while_locked("another process is writing to the store; still trying to stop")
        else:
            return


def _refuse_unknown(opened: OpenedByStatements, name: str, drafts: Callable[[], Iterable[str]]) -> None:
    with opened.store.reading() as connection:
        launched = launches.current_launches(connection)
    if name in launched:
        return
    known = {*launched, *drafts()}
    if name not in known:
        raise AutomationError(f"there is no campaign {name!r}; the project has: {', '.join(sorted(known))}")


def resume(opened: OpenedByStatements, name: str | None) -> bool:
    """Resume a campaign, or everything; returns whether it was stopped or paused.

    Due times that passed meanwhile count as handled.
    """
    with opened.store.transaction() as connection:
        was_paused = pauses.resume(connection, [name or pauses.EVERYTHING])
        if was_paused:
            names = [name] if name is not None else list(launches.current_launches(connection))
            schedules.set_handled_until(connection, names, opened.clock.now())
    return was_paused


def resume_channel(opened: OpenedByStatements, channel: str) -> bool:
    """Returns whether the channel was paused."""
    return _resume_scope(opened, pauses.channel_scope(channel))


def resume_after_clock_jump(opened: OpenedByStatements) -> bool:
    """Confirm that the clock is right now; returns whether everything was paused for a jump."""
    return _resume_scope(opened, pauses.CLOCK)


def _resume_scope(opened: OpenedByStatements, scope: str) -> bool:
    with opened.store.transaction() as connection:
        return pauses.resume(connection, [scope])
