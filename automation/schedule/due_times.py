"""Due times of a schedule: wall-clock times as instants, each with the key that makes its run unique.

A wall time is due once a day whatever the clocks do: at the first of two in the autumn, and in the spring's gap the
gap's length later on the clock, or earlier where later is the next day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from automation.pipeline.timing import instant_of
from automation.types.run import Due, RunKind
from automation.types.schedule import WEEKDAYS, Every, Schedule

__all__ = ["Due", "coming_due_times", "due_times", "missed_due_times", "next_due"]

_DAY = timedelta(days=1)
_FARTHEST_MOVE = 31  # days that `when_missed: next` may move a due time
_WINDOWS = tuple(timedelta(days=days) for days in (2, 9, 70, 800))


def due_times(
    schedule: Schedule,
    zones: Sequence[ZoneInfo],
    after: datetime,
    until: datetime,
    *,
    holidays: Collection[date] = (),
    launched: datetime | None = None,
) -> list[Due]:
    """Every due time with after < instant <= until, in order.

    zones: the time zone of the schedule; under `timezone: customer` every zone of a customer, and a run is due when the
    first of them reaches the wall time, which is `Due.local`; on the day of the launch, the first after `launched`. An
    interval (`every: 15m`) counts from midnight in the first zone, and its key is the instant in UTC.
    """
    every = schedule.every
    if every is not None and every.interval is not None:
        return _intervals(schedule, every.interval, zones[0], after, until, holidays)
    first, last = after.date() - 2 * _DAY, until.date() + 2 * _DAY
    found: dict[datetime | str, Due] = {}
    for wall in _allowed(schedule, every, first, last, holidays):
        instants = (instant_of(wall, zone) for zone in zones)
        at = min((at for at in instants if launched is None or at > launched), default=None)
        if at is not None and after < at <= until:
            key = wall.isoformat(timespec="minutes")
            if schedule.timezone == "customer":
                found[key] = Due(RunKind.SCHEDULE, key, at, wall)
            elif at not in found or _exists(wall, at, zones[0]):  # in the spring two wall times are one instant
                found[at] = Due(RunKind.SCHEDULE, key, at)
    return sorted(found.values(), key=lambda due: due.at)


def next_due(
    schedule: Schedule,
    zones: Sequence[ZoneInfo],
    after: datetime,
    *,
    holidays: Collection[date] = (),
    launched: datetime | None = None,
) -> Due | None:
    """The first due time after an instant, within some two years."""
    return next(iter(coming_due_times(schedule, zones, after, holidays=holidays, launched=launched)), None)


def coming_due_times(
    schedule: Schedule,
    zones: Sequence[ZoneInfo],
    after: datetime,
    *,
    holidays: Collection[date] = (),
    launched: datetime | None = None,
) -> list[Due]:
    """The first due times after an instant, in order, as many as one look into the future finds; none if there is none
    within some two years."""
    for window in _WINDOWS:
        if found := due_times(schedule, zones, after, after + window, holidays=holidays, launched=launched):
            return found
    return []


def missed_due_times(
    schedule: Schedule,
    zones: Sequence[ZoneInfo],
    after: datetime,
    now: datetime,
    *,
    holidays: Collection[date] = (),
    launched: datetime | None = None,
) -> list[Due]:
    """The due times since `after`: all of them under `catch_up: all`, otherwise at least the latest."""
    if schedule.catch_up == "all":
        return due_times(schedule, zones, after, now, holidays=holidays, launched=launched)
    for window in _WINDOWS:  # backwards: after a year's pause an interval has 100,000 due times, of which one matters
        found = due_times(schedule, zones, max(after, now - window), now, holidays=holidays, launched=launched)
        if found or now - window <= after:
            return found
    return []


def _intervals(
    schedule: Schedule,
    interval: timedelta,
    zone: ZoneInfo,
    after: datetime,
    until: datetime,
    holidays: Collection[date],
) -> list[Due]:
    found = []
    day = after.astimezone(zone).date()
    while (midnight := instant_of(datetime.combine(day, time()), zone)) <= until:
        end = instant_of(datetime.combine(day + _DAY, time()), zone)
        if _runs_on(schedule, day, holidays):
            at = midnight + max(0, (after - midnight) // interval) * interval
            while end - at > interval / 2 and at <= until:  # a day of 25 hours has no rest shorter than that
                if at > after:
                    found.append(Due(RunKind.SCHEDULE, f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}", at))
                at += interval
        day += _DAY
    return found


def _allowed(
    schedule: Schedule, every: Every | None, first: date, last: date, holidays: Collection[date]
) -> Iterator[datetime]:
    """Wall times between the days; one on a day of `not_on` moves to the next other day, or is left out."""
    moves = schedule.when_missed == "next"
    begin = first - _FARTHEST_MOVE * _DAY if moves and schedule.not_on else first
    for wall in _wall_times(schedule, every, begin, last):
        if not _within(schedule, wall.date()):
            continue
        day = wall.date()
        for _ in range(_FARTHEST_MOVE if moves else 1):
            if _runs_on(schedule, day, holidays):
                yield datetime.combine(day, wall.time())
                break
            day += _DAY


def _wall_times(schedule: Schedule, every: Every | None, first: date, last: date) -> Iterator[datetime]:
    if schedule.at is not None:
        if first <= schedule.at.wall.date() <= last:
            yield schedule.at.wall
    elif schedule.cron is not None:
        yield from _cron_times(schedule.cron, first, last)
    elif every is not None:
        assert every.clock is not None
        falls = _falls_on(every)
        for number in range((last - first).days + 1):
            if falls(day := first + number * _DAY):
                yield datetime.combine(day, every.clock)


def _falls_on(every: Every) -> Callable[[date], bool]:
    if every.kind == "weekdays":
        return lambda day: day.weekday() in every.weekdays
    if every.day == 0:
        return lambda day: (day + _DAY).day == 1
    return lambda day: day.day == every.day


def _cron_times(cron: str, first: date, last: date) -> Iterator[datetime]:
    """In a time zone without daylight saving, so that each wall time occurs once."""
    from apscheduler.triggers.cron import CronTrigger

    trigger = CronTrigger.from_crontab(cron, timezone=UTC)
    found = trigger.get_next_fire_time(None, datetime.combine(first, time(), UTC))
    while found is not None and found.date() <= last:
        yield found.replace(tzinfo=None)
        found = trigger.get_next_fire_time(found, found + timedelta(seconds=1))


def _within(schedule: Schedule, day: date) -> bool:
    return (schedule.from_ is None or day >= schedule.from_) and (schedule.until is None or day <= schedule.until)


def _runs_on(schedule: Schedule, day: date, holidays: Collection[date]) -> bool:
    if not _within(schedule, day):
        return False
    return not any(
        day in holidays if name == "holidays" else name.title() == WEEKDAYS[day.weekday()] or name == day.isoformat()
        for name in schedule.not_on
    )


def _exists(wall: datetime, at: datetime, zone: ZoneInfo) -> bool:
    """Whether the clock ever shows this wall time."""
    return at.astimezone(zone).replace(tzinfo=None) == wall
