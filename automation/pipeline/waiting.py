"""When a wait is over: after a length of time, or at a time on the customer's clock."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from automation.clock import in_millis, to_millis
from automation.pipeline.timing import instant_of, zone_names
from automation.types.schedule import WallTime
from automation.types.step import DayOf, WaitUntil


def wait_ends(waiting: pl.DataFrame, wait: timedelta | WaitUntil, *, shop_zone: str) -> pl.Series:
    """Milliseconds at which the wait of each row is over; null where it has no date.

    waiting: `since` (milliseconds), `timezone` (an IANA zone; null: the shop's) and, for a `DayOf`, `date` (a Date,
    null where there is none). A time of day ends strictly later than `since`; a date or moment may be over already.
    Work is done once a zone and day, not once a row.
    """
    if isinstance(wait, timedelta):
        return (waiting["since"] + in_millis(wait)).alias("ends")
    zones = zone_names(waiting, shop_zone).alias("zone")
    if isinstance(wait.until, DayOf):
        return _on_days(
            waiting.select(zones, (pl.col("date") - wait.until.before).dt.date().alias("day")), wait.until.at
        )
    if wait.until.moment is not None:
        moment = wait.until.moment
        return _on_days(waiting.select(zones, pl.lit(moment.date()).alias("day")), moment.time())
    return _next_times(waiting.select("since", zones), wait.until)


def _on_days(asked: pl.DataFrame, clock: time) -> pl.Series:
    """The instant of that time on each row's day (null: none) in its zone."""
    known = asked.unique().drop_nulls()
    ends = [to_millis(instant_of(datetime.combine(day, clock), ZoneInfo(zone))) for zone, day in known.iter_rows()]
    known = known.with_columns(pl.Series("ends", ends, dtype=pl.Int64))
    return asked.join(known, on=["zone", "day"], how="left", maintain_order="left")["ends"]


def _next_times(asked: pl.DataFrame, wanted: WallTime) -> pl.Series:
    """The first such time strictly later than `since`."""
    assert wanted.clock is not None
    today = [_local_day(zone).alias(zone) for zone in asked["zone"].unique()]
    days = pl.coalesce(pl.when(pl.col("zone") == one.meta.output_name()).then(one) for one in today)
    asked = asked.with_columns(days.alias("day"))
    known = asked.select("zone", "day").unique()
    found = [_instants(day, ZoneInfo(zone), wanted.weekdays, wanted.clock) for zone, day in known.iter_rows()]
    known = known.with_columns(
        pl.Series(name, [one[place] for one in found], dtype=pl.Int64) for place, name in enumerate(("first", "second"))
    )
    both = asked.join(known, on=["zone", "day"], how="left", maintain_order="left")
    return both.select(pl.when(pl.col("first") > pl.col("since")).then("first").otherwise("second").alias("ends"))[
        "ends"
    ]


def _local_day(zone: str) -> pl.Expr:
    return pl.from_epoch("since", time_unit="ms").dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.date()


def _instants(day: date, zone: ZoneInfo, weekdays: tuple[int, ...], clock: time) -> tuple[int, int]:
    """The time on the first two of these weekdays from that day on."""
    days = (day + timedelta(days=n) for n in range(15))
    first, second, *_ = (one for one in days if one.weekday() in weekdays)
    return _instant(first, clock, zone), _instant(second, clock, zone)


def _instant(day: date, clock: time, zone: ZoneInfo) -> int:
    return to_millis(instant_of(datetime.combine(day, clock), zone))
