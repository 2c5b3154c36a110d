"""Stops and resumes a campaign, a channel or everything."""

from __future__ import annotations

from automation.errors import AutomationError
from automation.store import launches, pauses, schedules
from automation.workspace.workspace import Workspace


def stop(workspace: Workspace, name: str | None, *, by: str) -> None:
    """Stop a campaign, or everything where `name` is None: effective before the next message, and kept over restarts.

    Raises `AutomationError` for an unknown campaign.
    """
    known = set(workspace.project.campaigns)
    with workspace.store.transaction() as connection:
        known |= set(launches.current_launches(connection))
        if name is not None and name not in known:
            raise AutomationError(f"there is no campaign {name!r}; the project has: {', '.join(sorted(known))}")
        pauses.stop(connection, name or pauses.EVERYTHING, by=by, now=workspace.clock.now())


def resume(workspace: Workspace, name: str | None) -> bool:
    """Resume a campaign, or everything; returns whether it was stopped or paused.

    Due times that passed meanwhile count as handled.
    """
    with workspace.store.transaction() as connection:
        was_paused = pauses.resume(connection, [name or pauses.EVERYTHING])
        if was_paused:
            names = [name] if name is not None else list(launches.current_launches(connection))
            schedules.set_handled_until(connection, names, workspace.clock.now())
    return was_paused


def resume_channel(workspace: Workspace, channel: str) -> bool:
    """Returns whether the channel was paused."""
    return _resume_scope(workspace, pauses.channel_scope(channel))


def resume_after_clock_jump(workspace: Workspace) -> bool:
    """Confirm that the clock is right now; returns whether everything was paused for a jump."""
    return _resume_scope(workspace, pauses.CLOCK)


def _resume_scope(workspace: Workspace, scope: str) -> bool:
    with workspace.store.transaction() as connection:
        return pauses.resume(connection, [scope])
