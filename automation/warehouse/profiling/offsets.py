"""Time zones as a table of offsets from UTC to join, because no engine has a time zone per row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import polars as pl

FIRST_YEAR, LAST_YEAR = 2000, 2100
_STEP = timedelta(days=10)  # no zone changes its offset twice within ten days

OFFSETS = pl.Schema(
    {"zone": pl.String(), "month": pl.Int64(), "starts": pl.Int64(), "ends": pl.Int64(), "offset": pl.Int64()}
)


def list_offsets(zones: Iterable[str], until: datetime) -> pl.DataFrame:
    """The zones' offsets until the end of the year of `until`.

    One row per zone and UTC month (counted from the year 0): the offset in seconds, and the instants (seconds since
    1970) between which it applies. A month in which the offset changes has two rows.
    """
    rows = [row for zone in zones for row in _of_zone(zone, min(max(until.year, FIRST_YEAR), LAST_YEAR))]
    return pl.DataFrame(rows, schema=OFFSETS, orient="row")


@lru_cache(maxsize=1_000)
def _of_zone(zone: str, last_year: int) -> list[tuple[str, int, int, int, int]]:
    """Cached: takes 1 ms for a zone and 25 years, and a daemon needs the same zones repeatedly."""
    changes = list(_changes(ZoneInfo(zone), datetime(last_year + 1, 1, 1, tzinfo=UTC)))
    instants = [at for at, _ in changes]
    rows = []
    for month in range(FIRST_YEAR * 12, (last_year + 1) * 12):
        starts, ends = _start(month), _start(month + 1)
        within = instants[bisect_right(instants, starts) : bisect_right(instants, ends - 1)]
        for begin, end in zip([starts, *within], [*within, ends], strict=True):
            rows.append((zone, month, begin, end, changes[bisect_right(instants, begin) - 1][1]))
    return rows


def _start(month: int) -> int:
    return int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp())


def _changes(zone: ZoneInfo, until: datetime) -> Iterator[tuple[int, int]]:
    """The instants (seconds since 1970) at which an offset begins, with the offset, in order."""
    at = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    offset = _offset(at, zone)
    yield int(at.timestamp()), offset
    while at < until:
        after = at + _STEP
        if _offset(after, zone) != offset:
            offset = _offset(after, zone)
            yield int(_change(at, after, zone).timestamp()), offset
        at = after


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant of the change; offsets change at whole minutes."""
    old = _offset(before, zone)
    while after - before > timedelta(minutes=1):
        middle = before + timedelta(minutes=(after - before) // timedelta(minutes=2))
        before, after = (middle, after) if _offset(middle, zone) == old else (before, middle)
    return after


def _offset(at: datetime, zone: ZoneInfo) -> int:
    found = at.astimezone(zone).utcoffset()
    assert found is not None
    return int(found.total_seconds())
