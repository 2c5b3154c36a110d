"""When a campaign is due, as people write it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

import pytest

from automation.types.limits import parse_reentry, parse_when_capped
from automation.types.schedule import Every, Hours, parse_every, parse_hours, parse_moment, parse_zone
from automation.types.trigger import parse_price_drop


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tuesday 09:00", Every("weekdays", weekdays=(1,), clock=time(9))),
        ("tuesday 23:59", Every("weekdays", weekdays=(1,), clock=time(23, 59))),
        ("Friday, Monday 09:00", Every("weekdays", weekdays=(0, 4), clock=time(9))),
        ("Monday and Friday 09:00", Every("weekdays", weekdays=(0, 4), clock=time(9))),
        ("day 00:00", Every("weekdays", weekdays=(0, 1, 2, 3, 4, 5, 6), clock=time(0))),
        ("weekday 07:30", Every("weekdays", weekdays=(0, 1, 2, 3, 4), clock=time(7, 30))),
        ("weekend 10:00", Every("weekdays", weekdays=(5, 6), clock=time(10))),
        ("month 1 09:00", Every("month", day=1, clock=time(9))),
        ("month last 09:00", Every("month", day=0, clock=time(9))),
        ("15m", Every("interval", interval=timedelta(minutes=15))),
        ("2h", Every("interval", interval=timedelta(hours=2))),
        ("hour", Every("interval", interval=timedelta(hours=1))),
    ],
)
def test_every(text: str, expected: Every) -> None:
    assert parse_every(text) == expected


@pytest.mark.parametrize(
    "text", ["", "Tuesday", "9:00", "09:00", "Tuesday 24:00", "Tuesday 9", "7m", "0m", "25h", "5d"]
)
def test_every_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_every(text)


@pytest.mark.parametrize("day", ["0", "29", "31", "-1", "first"])
def test_a_day_that_not_every_month_has_is_refused(day: str) -> None:
    with pytest.raises(ValueError, match="not a day that every month has"):
        parse_every(f"month {day} 09:00")


def test_a_misspelt_weekday_is_recognised() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'Wednesday'\?"):
        parse_every("Wendesday 09:00")


def test_moment() -> None:
    assert parse_moment("2026-11-20 09:00").wall == datetime(2026, 11, 20, 9)  # noqa: DTZ001
    assert parse_moment("2028-02-29T23:00").wall == datetime(2028, 2, 29, 23)  # noqa: DTZ001


@pytest.mark.parametrize(
    "text", ["2026-02-29 09:00", "2026-11-20", "20.11.2026 09:00", "2026-11-20 9:00", "2026-11-20 24:00", 20261120]
)
def test_moment_refuses(text: object) -> None:
    with pytest.raises(ValueError, match="not a day and time"):
        parse_moment(text)


def test_hours() -> None:
    assert parse_hours("20:00-09:00") == Hours(time(20), time(9))
    assert parse_hours("12:00-14:00") == Hours(time(12), time(14))


@pytest.mark.parametrize("text", ["20:00", "20-9", "20:00-20:00", "20:00-24:00", 2009])
def test_hours_refuse(text: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_hours(text)


@pytest.mark.parametrize(
    ("text", "days"), [("Monday, Friday 09:00", 3.5), ("day 09:00", 1), ("month 1 09:00", 28), ("6h", 0.25)]
)
def test_the_usual_gap(text: str, days: float) -> None:
    assert parse_every(text).usual_gap == timedelta(days=days)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_every, "Monday and Friday 09:00"),
        (parse_moment, "2028-02-29T23:00"),
        (parse_hours, "20:00-09:00"),
        (parse_when_capped, "wait 36h"),
        (parse_reentry, "after 30d"),
        (parse_price_drop, "at least 10%"),
    ],
)
def test_a_value_keeps_its_text_and_is_parsed_once(parse: Callable[[object], object], text: str) -> None:
    value = parse(text)
    assert str(value) == text
    assert parse(value) is value


def test_zone() -> None:
    assert parse_zone("Europe/Berlin").key == "Europe/Berlin"
    for text in ("Europe", "Berlin", "../../etc/passwd", "", "EuropeBerlin\x00"):
        with pytest.raises(ValueError, match="is not a time zone"):
            parse_zone(text)
