"""When to look for due campaigns: APScheduler says when, the store says what is due.

Its jobs live in memory and are built from the launched campaigns. A job claims what its campaign's schedule and the
store agree is due; a sweep does the same every minute, so that a failed job or a machine that slept loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from automation.clock import monotonic
from automation.schedule.calendar import ScheduledCampaign
from automation.schedule.due_times import next_due

log = structlog.get_logger(__name__)

Claim = Callable[[ScheduledCampaign], object]
_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}


class DueTimes(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """A campaign's due times, as `due_times.next_due` finds them."""

    def __init__(self, entry: ScheduledCampaign, holidays: Collection[date]) -> None:
        self.entry = entry
        self.holidays = holidays

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        after = (previous or now).astimezone(UTC)
        launched = self.entry.launch.launched_at
        due = next_due(self.entry.schedule, self.entry.zones, after, holidays=self.holidays, launched=launched)
        return None if due is None else due.at


class Scheduler:
    """One job a launched campaign; `claim` makes its due runs exist."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self.looked = monotonic()
        """When it last looked at every campaign."""
        self._entries: dict[str, ScheduledCampaign] = {}
        self._background: Any = BackgroundScheduler(
            timezone=UTC, executors={"default": ThreadPoolExecutor(1)}, job_defaults=_DEFAULTS
        )

    def start(self) -> None:
        self._background.start()

    def set_campaigns(self, entries: Sequence[ScheduledCampaign], holidays: Collection[date]) -> None:
        """Replace the jobs by these campaigns', and claim at once what is due already."""
        self._background.remove_all_jobs()
        self._entries = {entry.name: entry for entry in entries}
        for entry in entries:
            self._background.add_job(self._look, DueTimes(entry, holidays), args=[entry.name], id=entry.name)
        self.sweep()

    def sweep(self) -> None:
        """Look at every campaign now."""
        self._background.add_job(self._look_everywhere, id="sweep", replace_existing=True)

    def next_times(self) -> dict[str, datetime]:
        """When each campaign is due next."""
        jobs = ((job.id, job.next_run_time) for job in self._background.get_jobs())
        return {name: at for name, at in jobs if name in self._entries and at is not None}

    def stop(self) -> None:
        self._background.shutdown(wait=False)

    def _look_everywhere(self) -> None:
        for name in list(self._entries):
            self._look(name)
        self.looked = monotonic()

    def _look(self, name: str) -> None:
        entry = self._entries.get(name)
        if entry is None:
            return
        try:
            self._claim(entry)
        except Exception:
            log.exception("a due time could not be claimed; the next sweep retries", campaign=name)
