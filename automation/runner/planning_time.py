"""The instant that a plan is made for, where a person asks for another than now."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from automation.errors import ConfigurationError
from automation.schedule.due_times import due_times
from automation.types.schedule import Schedule
from automation.workspace.campaigns import valid_campaign
from automation.workspace.shop_format import shop_format
from automation.workspace.workspace import Workspace

_WRITTEN = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)(?:[T ](\d\d?):(\d\d))?")
_YEARS = (1970, 2199)


@dataclass(frozen=True)
class PlanningTime:
    """at: the instant. past: whether it is over: only what was known then counts. shown: as the shop writes it."""

    at: datetime
    past: bool
    shown: str

    @property
    def basis(self) -> str:
        """What the plan is made from, and what it can't know."""
        if self.past:
            return (
                f"as it was on {self.shown}: from the events, messages, consents and suppressions until then; this "
                "file, the models, the customers' traits and the products' prices and stock are today's, and "
                "suppressions that were lifted since are not known"
            )
        return (
            f"as it would be on {self.shown}, by what is known now: the customers, events, consents, suppressions, "
            "models, prices and stock of today; what customers do until then, and messages that are not planned yet, "
            "can't be known"
        )


def read_planning_time(workspace: Workspace, campaign: str, written: str) -> PlanningTime:
    """`2026-12-24T09:00` in the shop's time zone, or `2026-12-24`: when the campaign is due first on that day, or its
    beginning. Raises `ConfigurationError`."""
    settings = workspace.project.settings
    zone, now = ZoneInfo(settings.shop.timezone), workspace.clock.now()
    match = _WRITTEN.fullmatch(written.strip())
    if match is None:
        raise ConfigurationError(f"--as-of: {written!r} is not a day or time; write 2026-12-24 or 2026-12-24T09:00")
    year, month, day, hour, minute = (int(part or 0) for part in match.groups())
    if not _YEARS[0] <= year <= _YEARS[1]:
        raise ConfigurationError(f"--as-of: {written!r} is not between the years {_YEARS[0]} and {_YEARS[1]}")
    try:
        wall = datetime(year, month, day, hour, minute)  # noqa: DTZ001 (the shop's clock)
    except ValueError as error:
        raise ConfigurationError(f"--as-of: there is no {written!r}: {error}") from error
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    if match[4] is None:
        schedule = valid_campaign(workspace.project, campaign).schedule
        at = _due_on(schedule, wall.date(), zone, settings.holidays) or at
    elif at.astimezone(zone).replace(tzinfo=None) != wall:
        raise ConfigurationError(f"--as-of: there is no {written!r} in {zone.key}: the clocks skip it")
    return PlanningTime(at, at <= now, shop_format(workspace).time(at))


def _due_on(schedule: Schedule | None, day: date, zone: ZoneInfo, holidays: Collection[date]) -> datetime | None:
    """When the schedule is due first on that day; None where it is not."""
    if schedule is None:
        return None
    its = zone if schedule.timezone in ("shop", "customer") else ZoneInfo(schedule.timezone)
    begins, ends = (datetime(d.year, d.month, d.day, tzinfo=its) for d in (day, day + timedelta(days=1)))
    tick = timedelta(microseconds=1)
    found = due_times(schedule, [its], begins.astimezone(UTC) - tick, ends.astimezone(UTC) - tick, holidays=holidays)
    return found[0].at if found else None
