"""When a campaign is due, as people write it."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from automation.types.schedule import Every, Quiet, parse_at, parse_every, parse_quiet_hours, parse_zone


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tuesday 09:00", Every("weekdays", weekdays=(1,), time=time(9))),
        ("tuesday 23:59", Every("weekdays", weekdays=(1,), time=time(23, 59))),
        ("Friday, Monday 09:00", Every("weekdays", weekdays=(0, 4), time=time(9))),
        ("Monday and Friday 09:00", Every("weekdays", weekdays=(0, 4), time=time(9))),
        ("day 00:00", Every("weekdays", weekdays=(0, 1, 2, 3, 4, 5, 6), time=time(0))),
        ("weekday 07:30", Every("weekdays", weekdays=(0, 1, 2, 3, 4), time=time(7, 30))),
        ("weekend 10:00", Every("weekdays", weekdays=(5, 6), time=time(10))),
        ("month 1 09:00", Every("month", day=1, time=time(9))),
        ("month last 09:00", Every("month", day=0, time=time(9))),
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


def test_at() -> None:
    assert parse_at("2026-11-20 09:00") == (date(2026, 11, 20), time(9))
    assert parse_at("2028-02-29T23:00") == (date(2028, 2, 29), time(23))


@pytest.mark.parametrize(
    "text", ["2026-02-29 09:00", "2026-11-20", "20.11.2026 09:00", "2026-11-20 9:00", "2026-11-20 24:00"]
)
def test_at_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="not a day and time"):
        parse_at(text)


def test_quiet_hours_past_midnight() -> None:
    quiet = parse_quiet_hours("20:00-09:00")
    assert quiet == Quiet(time(20), time(9))
    assert [quiet.covers(time(*at)) for at in [(19, 59), (20, 0), (3, 0), (8, 59), (9, 0), (12, 0)]] == [
        *(False, True, True, True),
        *(False, False),
    ]


def test_quiet_hours_within_a_day() -> None:
    quiet = parse_quiet_hours("12:00-14:00")
    assert [quiet.covers(time(hour)) for hour in (11, 12, 13, 14)] == [False, True, True, False]


@pytest.mark.parametrize("text", ["20:00", "20-9", "20:00-20:00", "20:00-24:00"])
def test_quiet_hours_refuse(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_quiet_hours(text)


def test_zone() -> None:
    assert parse_zone("Europe/Berlin").key == "Europe/Berlin"
    for text in ("Europe", "Berlin", "../../etc/passwd", "", "EuropeBerlin\x00"):
        with pytest.raises(ValueError, match="is not a time zone"):
            parse_zone(text)
