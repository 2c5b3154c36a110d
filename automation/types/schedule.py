"""When a campaign is due, as a marketer writes it: `Tuesday 09:00`, `day 09:00`, `month 1 09:00`, `15m`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY = timedelta(days=1)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_INTERVAL = re.compile(r"(\d+) ?(m|min|h)")
_SCHEDULE = "write Tuesday 09:00, day 09:00, weekday 09:00, month 1 09:00, 15m or 2h"


@dataclass(frozen=True)
class Every:
    """A repeated due time in local wall-clock time.

    weekdays: on `weekdays` (0 is Monday) at `time`. month: on `day` of the month (0 is its last) at `time`.
    interval: every `interval`, which divides a day, counted from midnight.
    """

    kind: Literal["weekdays", "month", "interval"]
    weekdays: tuple[int, ...] = ()
    time: time | None = None
    interval: timedelta | None = None
    day: int | None = None


@dataclass(frozen=True)
class Quiet:
    """Hours without messages, local time; past midnight when `start` is after `end`."""

    start: time
    end: time

    def covers(self, at: time) -> bool:
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


def parse_every(text: str) -> Every:
    """`Tuesday 09:00`, `Monday, Friday 09:00`, `day 09:00`, `weekday 09:00`, `month 1 09:00`, `month last 09:00`,
    `15m`, `hour`, `2h`. Raises ValueError."""
    if match := _INTERVAL.fullmatch("1h" if text.strip() == "hour" else text.strip()):
        return Every("interval", interval=_interval(text, int(match[1]), match[2]))
    words, _, clock = text.strip().rpartition(" ")
    if not words:
        raise ValueError(f"{text!r} is not a schedule; {_SCHEDULE}")
    at = parse_time(clock)
    if words.lower().startswith("month "):
        return Every("month", time=at, day=_day_of_month(words[6:].strip()))
    return Every("weekdays", weekdays=_weekdays(words), time=at)


def _interval(text: str, number: int, unit: str) -> timedelta:
    span = timedelta(hours=number) if unit == "h" else timedelta(minutes=number)
    if not span or _DAY % span:
        raise ValueError(f"{text!r} does not divide a day; write 5m, 15m, 30m, 1h, 2h, 6h or 12h")
    return span


def _day_of_month(word: str) -> int:
    if word == "last":
        return 0
    if word.isdecimal() and 1 <= int(word) <= 28:
        return int(word)
    raise ValueError(f"{word!r} is not a day that every month has; write 1 to 28, or last")


def _weekdays(words: str) -> tuple[int, ...]:
    named = {"day": range(7), "weekday": range(5), "weekend": range(5, 7)}
    if words.lower() in named:
        return tuple(named[words.lower()])
    lower = [weekday.lower() for weekday in WEEKDAYS]
    found = []
    for word in re.split(r",\s*| and ", words):
        if word.lower() not in lower:
            near = difflib.get_close_matches(word.lower(), [*lower, *named], n=1)
            meant = f" (did you mean '{near[0] if near[0] in named else near[0].title()}'?)" if near else ""
            raise ValueError(f"{word!r} is not a day; {_SCHEDULE}{meant}")
        found.append(lower.index(word.lower()))
    return tuple(sorted(set(found)))


def parse_time(text: str) -> time:
    """`09:00`, from 00:00 to 23:59. Raises ValueError."""
    if match := _TIME.fullmatch(text.strip()):
        return time(int(match[1]), int(match[2]))
    raise ValueError(f"{text!r} is not a time of day; write 09:00, from 00:00 to 23:59")


def parse_at(text: str) -> tuple[date, time]:
    """`2026-11-20 09:00`, a local day and time. Raises ValueError."""
    day, _, clock = text.strip().replace("T", " ").partition(" ")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) or not clock:
        raise ValueError(f"{text!r} is not a day and time; write 2026-11-20 09:00")
    try:
        return date.fromisoformat(day), parse_time(clock)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a day and time: {error}") from None


def parse_quiet_hours(text: str) -> Quiet:
    """`20:00-09:00`. Raises ValueError."""
    start, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f"{text!r} are not quiet hours; write 20:00-09:00")
    quiet = Quiet(parse_time(start), parse_time(end))
    if quiet.start == quiet.end:
        raise ValueError(f"{text!r} begin and end at the same time, which is all day or never; write 20:00-09:00")
    return quiet


def parse_zone(text: str) -> ZoneInfo:
    """An IANA time zone such as `Europe/Berlin`. Raises ValueError."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(text, available_timezones(), n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        raise ValueError(f"{text!r} is not a time zone; write one such as Europe/Berlin{meant}") from None
