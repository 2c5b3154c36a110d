"""Creates the runs that are due, on time and after downtime."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from automation.errors import Stopped
from automation.pipeline.timing import DEFAULT_LATENESS, instant_of
from automation.runner.claim import claim
from automation.schedule.calendar import ScheduledCampaign
from automation.schedule.due_times import Due, missed_due_times
from automation.store import pauses, runs, schedules
from automation.store.runs import RunRow
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)


ON_TIME = timedelta(minutes=5)
"""A due time that is handled within this time counts as on time."""


def claim_due(workspace: Workspace, entry: ScheduledCampaign) -> list[RunRow]:
    """Create the runs that are due by now; due times that passed while nothing ran follow `catch_up`.

    Each due time is handled once: those that were too late, or passed while stopped, never come back.
    """
    now = workspace.clock.now()
    with workspace.store.reading() as connection:
        if pauses.paused_scopes(connection).scopes & {pauses.CLOCK, pauses.RESTORED}:
            return []  # no due time is lost: they are handled when the pause ends
        seen = [schedules.handled_until(connection, entry.name), runs.last_due(connection, entry.name)]
    since = max(at for at in (entry.launch.launched_at, *seen) if at is not None)
    found = missed_due_times(
        entry.schedule,
        entry.zones,
        since,
        now,
        holidays=workspace.project.settings.holidays,
        launched=entry.launch.launched_at,
    )
    made = [run for due in _to_run(entry, found, now) if (run := _claim(workspace, entry, due)) is not None]
    if found:
        with workspace.store.transaction() as connection:
            schedules.set_handled_until(connection, [entry.name], found[-1].at)
    return made


def _to_run(entry: ScheduledCampaign, found: Sequence[Due], now: datetime) -> list[Due]:
    oldest = now - (entry.schedule.max_lateness or DEFAULT_LATENESS)
    in_time = [due for due in found if _last_instant(due, entry.zones) >= oldest]
    if entry.schedule.catch_up == "latest":
        in_time = in_time[-1:]
    elif entry.schedule.catch_up == "none":
        in_time = [due for due in in_time[-1:] if now - due.at <= ON_TIME]
    for due in found:
        if due not in in_time:
            log.warning("due time skipped", campaign=entry.name, due=due.key, catch_up=entry.schedule.catch_up)
    return in_time


def _last_instant(due: Due, zones: Sequence[ZoneInfo]) -> datetime:
    """When the last zone reaches the wall time."""
    return due.at if due.local is None else max(instant_of(due.local, zone) for zone in zones)


def _claim(workspace: Workspace, entry: ScheduledCampaign, due: Due) -> RunRow | None:
    try:
        return claim(workspace, entry.name, due)
    except Stopped as stopped:
        log.warning("due time skipped", campaign=entry.name, due=due.key, because=str(stopped))
    return None
