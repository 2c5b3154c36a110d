"""The customer's own day and hour: tables of zones, because no engine knows a time zone per row."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from automation.rules.window import bounds

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import polars as pl

    from automation.contracts import Snapshot
    from automation.rules.behaviour import Behaviour

_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_OLDEST_RULES = 1970
_STEP = timedelta(days=7)  # no zone ever changed its clocks twice within a week
_DAY = 86_400
_THURSDAY = 3  # the weekday of 1970-01-01


def local_days(data: Snapshot) -> ir.Table:
    """`zone`, `day`: the date that every zone has, those with the shop's date left out.

    That is all of them in a run that reaches every customer on the same day of their own.
    """
    import ibis
    import polars as pl

    home = data.as_of.astimezone(ZoneInfo(data.timezone)).date()
    now = pl.lit(data.as_of)
    clocks = local_offsets(data.as_of.year, data.as_of.year).filter(pl.col("since") <= now, now < pl.col("until"))
    days = clocks.select("zone", day=(now + pl.duration(seconds="utc_offset")).dt.date())
    return ibis.memtable(days.filter((pl.col("day") != home) & (data.today is None)))


def celebrated(today: date, days: int) -> set[tuple[int, int]]:
    """The birthdays (month, day) celebrated on one of the `days` days from `today` on.

    29 February is celebrated on 28 February in common years.
    """
    window = [today + timedelta(days=ahead) for ahead in range(days)]
    leap = {(2, 29) for day in window if (day.month, day.day) == (2, 28) and not calendar.isleap(day.year)}
    return {(day.month, day.day) for day in window} | leap


def filter_local(events: ir.Table, options: Behaviour, data: Snapshot) -> ir.Table:
    """The events on the asked weekdays and hours of the customer's own clock, as it was then."""
    if options.weekday is None and options.time_of_day is None:
        return events
    start, _ = bounds(options, data)
    placed = _with_local_second(events, start, data)
    tests = []
    if options.weekday is not None:
        day = (placed.local_second / _DAY).floor().cast("int64") + _THURSDAY
        tests.append(_remainder(day, 7).isin(options.weekday))
    if (hours := options.time_of_day) is not None:
        second = _remainder(placed.local_second, _DAY)
        begun, ended = second >= _second(hours.start), second < _second(hours.end)
        tests.append(begun & ended if hours.start < hours.end else begun | ended)
    return placed.filter(*tests).select(events.columns)


def _with_local_second(events: ir.Table, start: datetime | None, data: Snapshot) -> ir.Table:
    """`local_second`: since 1970 on the customer's own clock, or the shop's where the zone is unknown."""
    import ibis

    offsets = local_offsets(_OLDEST_RULES if start is None else start.year, data.as_of.year)
    periods, known = ibis.memtable(offsets), ibis.memtable(offsets.select(timezone="zone").unique())
    people = data.customers.select("customer_id", "timezone").left_join(known, "timezone")
    people = people.select("customer_id", zone=people.timezone_right.fill_null(data.timezone))
    placed = events.inner_join(people, "customer_id")
    placed = placed.inner_join(
        periods,
        [placed.zone == periods.zone, placed.occurred_at >= periods.since, placed.occurred_at < periods.until],
    )
    # Cut to whole seconds first: casting would round the last microsecond of an hour into the next one.
    return placed.mutate(local_second=placed.occurred_at.truncate("s").epoch_seconds() + placed.utc_offset)


@lru_cache(maxsize=8)
def local_offsets(first: int, last: int) -> pl.DataFrame:
    """`zone`, `since`, `until` (UTC, half-open), `utc_offset` in seconds, exact from the year `first` to `last`.

    What lies outside of these years has the nearest known offset. 0.5 s for all zones from 1970 on.
    """
    import polars as pl

    start, end = datetime(max(first, 2), 1, 1, tzinfo=UTC), datetime(min(last, 9997) + 1, 1, 2, tzinfo=UTC)
    rows = [(zone, *period) for zone in sorted(available_timezones()) for period in _periods(zone, start, end)]
    instant = pl.Datetime("us", "UTC")
    schema: dict[str, pl.DataType] = {"zone": pl.String(), "since": instant, "until": instant, "utc_offset": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _periods(zone: str, start: datetime, end: datetime) -> list[tuple[datetime, datetime, int]]:
    clock = ZoneInfo(zone)
    changes, offset = [(_EARLIEST, _offset(clock, start))], _offset(clock, start)
    at = start
    while at < end:
        then = at + _STEP
        if (found := _offset(clock, then)) != offset:
            changes.append((_change(clock, at, then), found))
            offset = found
        at = then
    untils = [since for since, _ in changes[1:]] + [_LATEST]
    return [(since, until, offset) for (since, offset), until in zip(changes, untils, strict=True)]


def _offset(clock: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(clock).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _change(clock: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The instant between the two at which the offset becomes what it is after; clocks change at whole seconds."""
    wanted = _offset(clock, after)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        before, after = (before, middle) if _offset(clock, middle) == wanted else (middle, after)
    return after


def _second(at: object) -> int:
    hour, minute = str(at).split(":")[:2]
    return int(hour) * 3600 + int(minute) * 60


def _remainder(value: ir.IntegerValue, divisor: int) -> ir.IntegerValue:
    """Never negative, unlike SQL's own."""
    return (value % divisor + divisor) % divisor
