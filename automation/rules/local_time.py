"""The customer's local day and hour: joined from tables of offsets, because no engine has a time zone per row."""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from automation.rules.window import span_bounds

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import polars as pl

    from automation.contracts import Snapshot
    from automation.rules.behaviour import Behaviour

_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_OLDEST_RULES = 1970
_STEP = timedelta(days=7)  # no zone ever changed its clocks twice within a week
_SECOND = timedelta(seconds=1)
_DAY = 86_400
_BUCKET = 90 * _DAY
_MOST_BUCKETS = 100_000  # more than twice the number of buckets from the year 1 to 9999
_THURSDAY = 3  # the weekday of 1970-01-01


def local_days(data: Snapshot) -> ir.Table:
    """`zone`, `day`: today's date in every zone whose date differs from the shop's.

    No zones in a run that reaches every customer on the same local day.
    """
    import ibis
    import polars as pl

    home = data.as_of.astimezone(ZoneInfo(data.timezone)).date()
    known = data.today is None and _EARLIEST <= data.as_of < _LATEST
    days = ((zone, data.as_of.astimezone(ZoneInfo(zone)).date()) for zone in available_timezones() if known)
    schema = {"zone": pl.String(), "day": pl.Date()}
    return ibis.memtable(pl.DataFrame(sorted(row for row in days if row[1] != home), schema, orient="row"))


def list_birthdays(today: date, days: int) -> set[tuple[int, int]]:
    """The birthdays (month, day) that are celebrated on the `days` days from `today` on.

    29 February is celebrated on 28 February in common years.
    """
    window = [today + timedelta(days=ahead) for ahead in range(days)]
    leap = {(2, 29) for day in window if (day.month, day.day) == (2, 28) and not calendar.isleap(day.year)}
    return {(day.month, day.day) for day in window} | leap


def filter_local_time(events: ir.Table, options: Behaviour, data: Snapshot) -> ir.Table:
    """The events on the given weekdays and hours, in the customer's local time of the event."""
    if options.weekday is None and options.time_of_day is None:
        return events
    start, _ = span_bounds(options, data)
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
    """Add `local_second`: seconds since 1970 in the customer's local time, or the shop's if the zone is unknown.

    The join uses one number for zone and time bucket, with one or two offset periods each. By zone alone, each event
    met 110 periods; with two keys, DuckDB first joins every customer with all periods of their zone.
    """
    import ibis

    years = _OLDEST_RULES if start is None else start.year, data.as_of.year
    periods, numbers = bucketed_offsets(*years), zone_numbers()
    home = numbers.filter(numbers["timezone"] == data.timezone)["zone_number"].item()
    people = data.customers.select("customer_id", "timezone").left_join(ibis.memtable(numbers), "timezone")
    people = people.select("customer_id", zone_number=people.zone_number.fill_null(home))
    on_duckdb = data.events.get_backend().name == "duckdb"
    placed = events.mutate(utc_second=_whole_seconds(events.occurred_at, on_duckdb=on_duckdb))
    first, last = (time_bucket(datetime(year, 1, 1, tzinfo=UTC)) for year in (years[0], years[1] + 1))
    buckets = (placed.utc_second / _BUCKET).floor().cast("int64")
    placed = placed.mutate(bucket=ibis.least(ibis.greatest(buckets, first), last)).inner_join(people, "customer_id")
    placed = placed.mutate(bucket_key=placed.zone_number * _MOST_BUCKETS + placed.bucket)
    there = ibis.memtable(periods)
    at = placed.occurred_at
    placed = placed.inner_join(there, [placed.bucket_key == there.bucket_key, at >= there.since, at < there.until])
    return placed.mutate(local_second=placed.utc_second + placed.utc_offset)


def time_bucket(at: datetime) -> int:
    """The number of the 90-day bucket of the instant."""
    return math.floor(at.timestamp() / _BUCKET)


@lru_cache(maxsize=8)
def bucketed_offsets(first: int, last: int) -> pl.DataFrame:
    """`bucket_key`, `since`, `until`, `utc_offset`: `local_offsets` by zone and time bucket.

    A period has a row for each of its buckets, from the first year's to the end of the last year's.
    """
    import polars as pl

    begin, end = (time_bucket(datetime(year, 1, 1, tzinfo=UTC)) for year in (first, last + 1))
    seconds = (pl.col(name).dt.timestamp("ms") / 1_000 for name in ("since", "until"))
    since, until = ((second / _BUCKET).floor().cast(pl.Int64).clip(begin, end) for second in seconds)
    offsets = local_offsets(first, last).with_columns(bucket=pl.int_ranges(since, until + 1)).explode("bucket")
    numbered = offsets.join(zone_numbers(), left_on="zone", right_on="timezone")
    place = pl.col("zone_number") * _MOST_BUCKETS + pl.col("bucket")
    return numbered.select("since", "until", "utc_offset", bucket_key=place)


@cache
def zone_numbers() -> pl.DataFrame:
    """`timezone`, `zone_number` of all zones."""
    import polars as pl

    schema = {"timezone": pl.String(), "zone_number": pl.Int64()}
    return pl.DataFrame([(zone, n) for n, zone in enumerate(sorted(available_timezones()))], schema, orient="row")


def _whole_seconds(at: ir.TimestampValue, *, on_duckdb: bool) -> ir.IntegerValue:
    """Seconds since 1970, truncated: a cast would round the last microsecond of an hour into the next hour.

    DuckDB's own functions use its calendar for every instant with a zone: 4 M took 2.8 s, and 0.1 s from microseconds.
    """
    return _epoch_us()(at) // 1_000_000 if on_duckdb else at.truncate("s").epoch_seconds()


@cache
def _epoch_us() -> Any:
    import ibis
    import ibis.expr.datatypes as dt

    @ibis.udf.scalar.builtin(signature=((dt.Timestamp(timezone="UTC"),), dt.int64))  # type: ignore[untyped-decorator]
    def epoch_us(_at: object) -> int:
        raise NotImplementedError("DuckDB's own")

    return epoch_us


@lru_cache(maxsize=8)
def local_offsets(first: int, last: int) -> pl.DataFrame:
    """`zone`, `since`, `until` (UTC, half-open), `utc_offset` in seconds, exact from the year `first` to `last`.

    Other years get the nearest known offset. Takes 3 s for all zones from 1970 on.
    """
    import polars as pl

    start, end = datetime(max(first, 2), 1, 1, tzinfo=UTC), datetime(min(last, 9997) + 1, 1, 2, tzinfo=UTC)
    steps = [start + n * _STEP for n in range((end - start) // _STEP + 2)]
    changes: dict[int, datetime] = {}
    rows = [(zone, *period) for zone in sorted(available_timezones()) for period in _periods(zone, steps, changes)]
    instant = pl.Datetime("us", "UTC")
    schema: dict[str, pl.DataType] = {"zone": pl.String(), "since": instant, "until": instant, "utc_offset": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _periods(zone: str, steps: Sequence[datetime], known: dict[int, datetime]) -> list[tuple[datetime, datetime, int]]:
    """`known`: by step, the instant at which another zone changed its clocks; most zones change together."""
    clock = ZoneInfo(zone)
    offsets = [at.astimezone(clock).utcoffset() for at in steps]
    sinces, values = [_EARLIEST], [_offset(clock, steps[0])]
    for n, (before, after) in enumerate(pairwise(offsets)):
        if before != after:
            at = known.get(n)
            if (
                at is None
                or at.astimezone(clock).utcoffset() != after
                or (at - _SECOND).astimezone(clock).utcoffset() != before
            ):
                at = known[n] = _change(clock, steps[n], steps[n + 1])
            sinces.append(at)
            values.append(_offset(clock, at))
    return list(zip(sinces, [*sinces[1:], _LATEST], values, strict=True))


def _offset(clock: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(clock).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _change(clock: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The instant between the two at which the later offset begins; offsets change at whole seconds."""
    wanted = _offset(clock, after)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        before, after = (before, middle) if _offset(clock, middle) == wanted else (middle, after)
    return after


def _second(at: object) -> int:
    hour, minute = str(at).split(":")[:2]
    return int(hour) * 3600 + int(minute) * 60


def _remainder(value: ir.IntegerValue, divisor: int) -> ir.IntegerValue:
    """The remainder, never negative, unlike SQL's `%`."""
    return (value % divisor + divisor) % divisor
