"""Due times, worked out by hand from the calendar of 2026 and the time zones' rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from automation.schedule.due_times import due_times, missed_due_times, next_due
from automation.types.schedule import Schedule

BERLIN, NEW_YORK, AUCKLAND = (ZoneInfo(n) for n in ("Europe/Berlin", "America/New_York", "Pacific/Auckland"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def keys_and_instants(
    written: Mapping[str, object],
    after: str,
    until: str,
    zones: list[ZoneInfo] | None = None,
    holidays: tuple[date, ...] = (),
) -> list[tuple[str, str]]:
    schedule = Schedule.model_validate(written)
    found = due_times(schedule, zones or [BERLIN], at(after), at(until), holidays=holidays)
    return [(due.key, due.at.strftime("%Y-%m-%d %H:%M")) for due in found]


def test_weekday_in_winter_and_summer_time() -> None:
    assert keys_and_instants({"every": "Tuesday 09:00"}, "2026-03-20", "2026-04-01") == [
        ("2026-03-24T09:00", "2026-03-24 08:00"),  # winter: UTC+1
        ("2026-03-31T09:00", "2026-03-31 07:00"),  # summer since the 29th: UTC+2
    ]


def test_the_hour_that_comes_twice_runs_once_at_its_first() -> None:
    assert keys_and_instants({"every": "day 02:30"}, "2026-10-24 12:00", "2026-10-26 12:00") == [
        ("2026-10-25T02:30", "2026-10-25 00:30"),  # the first 02:30, still UTC+2
        ("2026-10-26T02:30", "2026-10-26 01:30"),
    ]


def test_the_hour_that_never_comes_runs_at_the_later_time() -> None:
    assert keys_and_instants({"every": "day 02:30"}, "2026-03-28 12:00", "2026-03-30 12:00") == [
        ("2026-03-29T02:30", "2026-03-29 01:30"),  # the clock shows 03:30
        ("2026-03-30T02:30", "2026-03-30 00:30"),
    ]


def test_cron_walks_each_wall_time_once() -> None:
    autumn = keys_and_instants({"cron": "*/30 2 * * *"}, "2026-10-24 23:00", "2026-10-25 10:00")
    assert autumn == [("2026-10-25T02:00", "2026-10-25 00:00"), ("2026-10-25T02:30", "2026-10-25 00:30")]
    spring = keys_and_instants({"cron": "30 2,3 * * *"}, "2026-03-28 23:00", "2026-03-29 10:00")
    assert spring == [("2026-03-29T03:30", "2026-03-29 01:30")]  # 02:30 would be the same instant


def test_an_interval_counts_from_midnight_in_instants() -> None:
    assert keys_and_instants({"every": "6h"}, "2026-10-24 21:59", "2026-10-25 23:01") == [
        ("2026-10-24T22:00Z", "2026-10-24 22:00"),  # midnight in Berlin
        ("2026-10-25T04:00Z", "2026-10-25 04:00"),
        ("2026-10-25T10:00Z", "2026-10-25 10:00"),
        ("2026-10-25T16:00Z", "2026-10-25 16:00"),
        ("2026-10-25T23:00Z", "2026-10-25 23:00"),  # midnight again: the day had 25 hours
    ]


def test_after_is_left_out_and_until_is_in() -> None:
    assert keys_and_instants({"every": "15m"}, "2026-06-01 10:00", "2026-06-01 10:30") == [
        ("2026-06-01T10:15Z", "2026-06-01 10:15"),
        ("2026-06-01T10:30Z", "2026-06-01 10:30"),
    ]


def test_customers_time_is_due_when_the_first_zone_reaches_it() -> None:
    schedule = Schedule(every="Thursday 10:00", timezone="customer")
    found = due_times(schedule, [BERLIN, NEW_YORK, AUCKLAND], at("2026-06-01"), at("2026-06-08"))
    assert [(due.key, due.local) for due in found] == [("2026-06-04T10:00", datetime.fromisoformat("2026-06-04T10:00"))]
    assert found[0].at == at("2026-06-03 22:00")  # Auckland is twelve hours ahead


def test_a_campaign_launched_after_the_first_zone_runs_for_those_who_are_still_to_come() -> None:
    """Launched at midnight in New York: 01:30 had passed in Berlin, and is still to come there."""
    schedule, launched = Schedule(every="day 01:30", timezone="customer"), at("2026-11-01 04:00")
    found = due_times(schedule, [BERLIN, NEW_YORK], launched, at("2026-11-03"), launched=launched)
    assert [(due.key, due.at) for due in found] == [
        ("2026-11-01T01:30", at("2026-11-01 05:30")),
        ("2026-11-02T01:30", at("2026-11-02 00:30")),
    ]
    assert next_due(schedule, [BERLIN, NEW_YORK], launched, launched=launched) == found[0]
    missed = missed_due_times(schedule, [BERLIN, NEW_YORK], launched, at("2026-11-01 06:00"), launched=launched)
    assert missed == found[:1]


def test_not_on_moves_to_the_next_day_or_skips() -> None:
    written = {"every": "Thursday 10:00", "not_on": ["holidays", "Friday"]}
    holidays = (date(2026, 12, 24),)
    moved = keys_and_instants(written, "2026-12-20", "2026-12-27", holidays=holidays)
    assert moved == [("2026-12-26T10:00", "2026-12-26 09:00")]
    skipped = keys_and_instants({**written, "when_missed": "skip"}, "2026-12-20", "2026-12-27", holidays=holidays)
    assert skipped == []


def test_a_day_that_moved_onto_another_due_day_runs_once() -> None:
    written = {"every": "day 08:00", "not_on": ["2026-06-02", "2026-06-03"]}
    found = keys_and_instants(written, "2026-06-01 12:00", "2026-06-05 12:00")
    assert [key for key, _ in found] == ["2026-06-04T08:00", "2026-06-05T08:00"]


def test_from_and_until_are_inclusive() -> None:
    written = {"every": "day 08:00", "from": "2026-06-02", "until": "2026-06-03"}
    found = keys_and_instants(written, "2026-05-01", "2026-07-01")
    assert [key for key, _ in found] == ["2026-06-02T08:00", "2026-06-03T08:00"]


def test_month_days_and_the_last_day() -> None:
    first = keys_and_instants({"every": "month 1 09:00"}, "2026-01-15", "2026-03-15")
    assert [key for key, _ in first] == ["2026-02-01T09:00", "2026-03-01T09:00"]
    last = keys_and_instants({"every": "month last 09:00"}, "2026-01-15", "2026-03-15")
    assert [key for key, _ in last] == ["2026-01-31T09:00", "2026-02-28T09:00"]


def test_at_is_due_once_ever() -> None:
    schedule = Schedule(at="2026-11-20 09:00")
    assert [due.key for due in due_times(schedule, [BERLIN], at("2020-01-01"), at("2030-01-01"))] == [
        "2026-11-20T09:00"
    ]
    assert next_due(schedule, [BERLIN], at("2026-11-20 08:00")) is None


def test_the_next_due_time_may_be_far() -> None:
    found = next_due(Schedule(cron="0 9 29 2 *"), [BERLIN], at("2026-03-01"))
    assert found is not None
    assert found.key == "2028-02-29T09:00"


@pytest.mark.parametrize("catch_up", ["latest", "none"])
def test_after_a_long_pause_only_the_latest_is_searched(catch_up: str) -> None:
    schedule = Schedule.model_validate({"every": "5m", "catch_up": catch_up})
    found = missed_due_times(schedule, [BERLIN], at("2024-01-01"), at("2026-06-01 10:02"))
    assert found[-1].key == "2026-06-01T10:00Z"
    assert len(found) == 2 * 288  # two days' worth, not two years'


def test_all_missed_due_times_are_found_where_they_are_wanted() -> None:
    schedule = Schedule(every="day 09:00", catch_up="all")
    found = missed_due_times(schedule, [BERLIN], at("2026-05-01"), at("2026-06-01"))
    assert len(found) == 31
    assert found[0].at - found[-1].at == -timedelta(days=30)
