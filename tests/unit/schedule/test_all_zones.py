"""Due times wherever a clock is changed, in every time zone, against a clock that is read every five minutes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
import pytest

from automation.clock import from_millis
from automation.pipeline.timing import after_quiet_hours, instant_of, send_times
from automation.schedule.due_times import due_times
from automation.types.schedule import Schedule, parse_hours

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
YEARS = (2010, 2011, 2026, 2027)
"""Two to come, and two with more kinds of change: Samoa left a whole day out."""
Change = tuple[datetime, timedelta, timedelta]
"""What a clock shows before a change, and its offsets before and after."""


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """The instants from which on the zone has another offset."""
    for year in YEARS:
        steps = [datetime(year, 1, 1, tzinfo=UTC) + 7 * n * DAY for n in range(54)]
        offsets = [at.astimezone(zone).utcoffset() for at in steps]
        for (before, after), (old, new) in zip(pairwise(steps), pairwise(offsets), strict=True):
            if old != new:
                low, high = before, after
                while high - low > MINUTE:
                    middle = low + (high - low) // MINUTE // 2 * MINUTE
                    low, high = (middle, high) if middle.astimezone(zone).utcoffset() == old else (low, middle)
                yield high


@cache
def cases() -> dict[str, tuple[ZoneInfo, datetime]]:
    """A zone and an instant for every different change of all zones."""
    found: dict[Change, tuple[ZoneInfo, datetime]] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for at in changes(zone):
            old, new = (at - MINUTE).astimezone(zone).utcoffset(), at.astimezone(zone).utcoffset()
            assert old is not None
            assert new is not None
            if at.minute % 5:
                continue  # Newfoundland, at one minute past midnight until 2011
            found.setdefault(((at + old).replace(tzinfo=None), old, new), (zone, at))
    return {f"{zone.key} {at:%Y-%m-%d}": (zone, at) for zone, at in found.values()}


@cache
def shown(zone: ZoneInfo, around: datetime) -> dict[datetime, datetime]:
    """What the clock shows every five minutes of four days, and when it first does."""
    first: dict[datetime, datetime] = {}
    start = around - 50 * timedelta(hours=1)
    for n in range(100 * 12):
        at = start + 5 * n * MINUTE
        first.setdefault(at.astimezone(zone).replace(tzinfo=None), at)
    return first


def walls(zone: ZoneInfo, around: datetime) -> list[datetime]:
    """Every quarter of an hour of the days around a change."""
    day = around.astimezone(zone).date()
    return [datetime.combine(day - DAY, datetime.min.time()) + 15 * n * MINUTE for n in range(2 * 96)]


def expected(wall: datetime, first: dict[datetime, datetime], gap: timedelta) -> datetime:
    """The instant at which the clock first shows it; in a gap, the gap's length later, or earlier, on the same day."""
    if wall in first:
        return first[wall]
    same_day = [other for other in (wall + gap, wall - gap) if other.date() == wall.date() and other in first]
    return first[same_day[0]] if same_day else first[wall + gap]


def test_every_kind_of_change_is_among_the_cases() -> None:
    assert {"America/Nuuk 2026-03-29", "America/Godthab 2026-03-29"} & {*cases()}, "23:30 is in the gap"
    lengths = set()
    for zone, at in cases().values():
        old, new = (at - MINUTE).astimezone(zone).utcoffset(), at.astimezone(zone).utcoffset()
        assert old is not None
        assert new is not None
        lengths.add((new - old) / MINUTE)
    assert {60, -60, 30, -30, 24 * 60} <= lengths
    assert len(cases()) > 60


def test_every_wall_time_is_due_when_a_clock_first_shows_it_and_on_its_own_day() -> None:
    wrong = []
    for name, (zone, at) in cases().items():
        first, gap = shown(zone, at), gap_of(zone, at)
        found = [(name, wall, instant_of(wall, zone), expected(wall, first, gap)) for wall in walls(zone, at)]
        wrong += [one for one in found if one[2] != one[3]]
    assert wrong == []


def gap_of(zone: ZoneInfo, at: datetime) -> timedelta:
    old, new = (at - MINUTE).astimezone(zone).utcoffset(), at.astimezone(zone).utcoffset()
    assert old is not None
    assert new is not None
    return max(new - old, timedelta(0))


def middle(zone: ZoneInfo, at: datetime) -> datetime:
    """A wall time within the gap, or within the time that comes twice."""
    before, after = ((at + n * MINUTE).astimezone(zone).replace(tzinfo=None) for n in (-1, 0))
    low, high = sorted((before + MINUTE, after))
    return low + (high - low) // 2 // (5 * MINUTE) * 5 * MINUTE


@pytest.mark.parametrize("written", ["zone", "cron", "customer", "customers"])
def test_a_campaign_runs_once_on_the_day_whatever_its_schedule_is_written_like(written: str) -> None:
    """At a wall time that a clock shows twice or never: by `every` and `cron`, and in the customer's own time."""
    wrong = []
    for name, (zone, at) in cases().items():
        wall = middle(zone, at)
        if gap_of(zone, at) >= DAY:
            continue  # a day that is left out has no run of its own
        if written == "cron":
            schedule = Schedule.model_validate({"cron": f"{wall.minute} {wall.hour} * * *", "timezone": zone.key})
        else:
            timezone = zone.key if written == "zone" else "customer"
            schedule = Schedule.model_validate({"every": f"day {wall:%H:%M}", "timezone": timezone})
        zones = [zone, ZoneInfo("Pacific/Pago_Pago")] if written == "customers" else [zone]
        found = due_times(schedule, zones, at - 4 * DAY, at + 4 * DAY)
        mine = [due for due in found if due.key == wall.isoformat(timespec="minutes")]
        wanted = min(expected(wall, shown(zone, at), gap_of(zone, at)), instant_of(wall, zones[-1]))
        if [due.at for due in mine] != [wanted]:
            wrong.append((name, wall, [due.at for due in mine], wanted))
    assert wrong == []


def test_each_customer_s_message_is_due_at_their_own_wall_time() -> None:
    """Also where the run is due for customers elsewhere first."""
    wrong = []
    for name, (zone, at) in cases().items():
        wall = middle(zone, at)
        batch = pl.DataFrame({"customer_id": ["c1"], "timezone": [zone.key]})
        due = send_times(batch, at=at - DAY, local=wall, shop_zone="Europe/Berlin", quiet=None)
        wanted = expected(wall, shown(zone, at), gap_of(zone, at))
        if from_millis(due[0]) != wanted:
            wrong.append((name, wall, from_millis(due[0]), wanted))
    assert wrong == []


def test_quiet_hours_never_end_before_their_end_on_the_clock() -> None:
    """Where the end falls into a gap before midnight, the message waits until the clock shows more."""
    nuuk = ZoneInfo("America/Nuuk")
    quiet = parse_hours("20:00-23:30")
    now = datetime(2026, 3, 29, 0, 45, tzinfo=UTC)  # 22:45 on the 28th, a quarter of an hour before the gap
    assert now.astimezone(nuuk).date() == date(2026, 3, 28)
    end = after_quiet_hours(now, nuuk, quiet)
    assert end >= now
    assert end.astimezone(nuuk).replace(tzinfo=None) == datetime(2026, 3, 29, 0, 30)  # noqa: DTZ001  # a wall time
