"""The customer's own day: a table of zones, because no engine knows a time zone per row."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from automation.contracts import Snapshot


def local_days(data: Snapshot) -> ir.Table:
    """`zone`, `day`: the date that every zone has, those with the shop's date left out.

    That is all of them in a run that reaches every customer on the same day of their own.
    """
    import ibis
    import polars as pl

    home = data.as_of.astimezone(ZoneInfo(data.timezone)).date()
    zones = () if data.today else sorted(available_timezones())
    days = {zone: day for zone in zones if (day := data.as_of.astimezone(ZoneInfo(zone)).date()) != home}
    frame = pl.DataFrame({"zone": list(days), "day": list(days.values())}, schema={"zone": pl.String, "day": pl.Date})
    return ibis.memtable(frame)


def celebrated(today: date, days: int) -> set[tuple[int, int]]:
    """The birthdays (month, day) celebrated on one of the `days` days from `today` on.

    29 February is celebrated on 28 February in common years.
    """
    window = [today + timedelta(days=ahead) for ahead in range(days)]
    leap = {(2, 29) for day in window if (day.month, day.day) == (2, 28) and not calendar.isleap(day.year)}
    return {(day.month, day.day) for day in window} | leap
