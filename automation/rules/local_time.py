"""The customer's own day: a table of zones, because no engine knows a time zone per row."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    import ibis.expr.types as ir


def local_days(as_of: datetime, shop: str) -> ir.Table:
    """`zone`, `day`: the date that every zone has at `as_of`. Zones that have the shop's date are left out."""
    import ibis
    import polars as pl

    home = as_of.astimezone(ZoneInfo(shop)).date()
    days = {zone: as_of.astimezone(ZoneInfo(zone)).date() for zone in available_timezones()}
    away = {zone: day for zone, day in sorted(days.items()) if day != home}
    frame = pl.DataFrame({"zone": list(away), "day": list(away.values())}, schema={"zone": pl.String, "day": pl.Date})
    return ibis.memtable(frame)


def celebrated(today: date, days: int) -> set[tuple[int, int]]:
    """The birthdays (month, day) celebrated on one of the `days` days from `today` on.

    29 February is celebrated on 28 February in common years.
    """
    window = [today + timedelta(days=ahead) for ahead in range(days)]
    leap = {(2, 29) for day in window if (day.month, day.day) == (2, 28) and not calendar.isleap(day.year)}
    return {(day.month, day.day) for day in window} | leap
