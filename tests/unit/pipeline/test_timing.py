"""Due instants on the customer's own clock, at the hours where clocks jump."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from automation.clock import from_millis
from automation.pipeline.timing import after_quiet_hours, instant_of, send_times, zone_names
from automation.types.schedule import parse_hours

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
AT = datetime(2026, 11, 24, 7, tzinfo=UTC)


def instants(zones: list[str | None], *, local: datetime | None = None, quiet: str | None = None) -> list[datetime]:
    hours = None if quiet is None else parse_hours(quiet)
    batch = pl.DataFrame({"timezone": zones}, schema={"timezone": pl.String})
    return [from_millis(at) for at in send_times(batch, at=AT, local=local, shop_zone="Europe/Berlin", quiet=hours)]


def test_without_a_wall_time_everyone_is_due_at_once() -> None:
    assert instants(["Europe/Berlin", "America/New_York", None]) == [AT, AT, AT]


def test_nine_in_the_morning_is_another_instant_in_each_zone() -> None:
    found = instants(["Europe/Berlin", "America/New_York", None], local=datetime(2026, 11, 24, 9))  # noqa: DTZ001
    assert [at.hour for at in found] == [8, 14, 8]


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "../etc/passwd", "Europe", "UTC+25", "Europe/Berlin\n", "a\0b", "x" * 5_000, "/", "."]
)
def test_an_invalid_zone_stalls_nobody(zone: str) -> None:
    found = instants([zone, "America/New_York"], local=datetime(2026, 11, 24, 9))  # noqa: DTZ001
    assert [at.hour for at in found] == [8, 14]


def test_half_a_million_rows_of_one_invalid_zone_take_one_look() -> None:
    zones: list[str | None] = [*["Mars/Olympus"] * 500_000, "America/New_York"]
    assert [at.hour for at in instants(zones, local=datetime(2026, 11, 24, 9))[-2:]] == [8, 14]  # noqa: DTZ001


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (datetime(2026, 10, 25, 2, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # noqa: DTZ001  # twice: the first
        (datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # noqa: DTZ001  # never: 03:30
    ],
)
def test_wall_times_that_exist_twice_or_never(local: datetime, expected: datetime) -> None:
    assert instant_of(local, BERLIN) == expected


@pytest.mark.parametrize(
    ("instant", "zone", "expected"),
    [
        (datetime(2026, 11, 24, 18, 59, tzinfo=UTC), BERLIN, datetime(2026, 11, 24, 18, 59, tzinfo=UTC)),
        (datetime(2026, 11, 24, 19, 0, tzinfo=UTC), BERLIN, datetime(2026, 11, 25, 8, tzinfo=UTC)),
        (datetime(2026, 11, 24, 7, 59, tzinfo=UTC), BERLIN, datetime(2026, 11, 24, 8, tzinfo=UTC)),
        (datetime(2026, 11, 24, 8, 0, tzinfo=UTC), BERLIN, datetime(2026, 11, 24, 8, tzinfo=UTC)),
        (datetime(2026, 11, 24, 8, 0, tzinfo=UTC), NEW_YORK, datetime(2026, 11, 24, 14, tzinfo=UTC)),
        (datetime(2026, 10, 24, 23, 0, tzinfo=UTC), BERLIN, datetime(2026, 10, 25, 8, tzinfo=UTC)),  # 25-hour day
    ],
)
def test_quiet_hours_over_midnight(instant: datetime, zone: ZoneInfo, expected: datetime) -> None:
    assert after_quiet_hours(instant, zone, parse_hours("20:00-09:00")) == expected


def test_quiet_hours_within_a_day() -> None:
    noon = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
    assert after_quiet_hours(noon, BERLIN, parse_hours("12:00-14:00")) == datetime(2026, 11, 24, 13, tzinfo=UTC)
    assert after_quiet_hours(noon, BERLIN, parse_hours("13:00-14:00")) == noon


def test_quiet_hours_are_the_customers_own() -> None:
    found = instants(["Europe/Berlin", "America/New_York"], quiet="22:00-08:30")
    assert found == [datetime(2026, 11, 24, 7, 30, tzinfo=UTC), datetime(2026, 11, 24, 13, 30, tzinfo=UTC)]


def test_a_customer_without_a_known_zone_has_the_shops() -> None:
    batch = pl.DataFrame({"timezone": ["America/New_York", "Mars/Olympus", None]}, schema={"timezone": pl.String})
    assert zone_names(batch, "Europe/Berlin").to_list() == ["America/New_York", "Europe/Berlin", "Europe/Berlin"]
    assert zone_names(pl.DataFrame({"x": [1]}), "Europe/Berlin").to_list() == ["Europe/Berlin"]
