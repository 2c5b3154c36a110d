"""When a campaign is due, as a marketer writes it: `Tuesday 09:00`, `day 09:00`, `month 1 09:00`, `15m`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from automation.types.grammar import FileModel, Text
from automation.types.quantity import Duration

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY = timedelta(days=1)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_INTERVAL = re.compile(r"(\d+) ?(m|min|h)")
_SCHEDULE = "write Tuesday 09:00, day 09:00, weekday 09:00, month 1 09:00, 15m or 2h"


@dataclass(frozen=True)
class Every:
    """A repeated due time in local wall-clock time.

    weekdays: on `weekdays` (0 is Monday) at `clock`. month: on `day` of the month (0 is its last) at `clock`.
    interval: every `interval`, which divides a day, counted from midnight. `text` is what the file says.
    """

    kind: Literal["weekdays", "month", "interval"]
    weekdays: tuple[int, ...] = ()
    clock: time | None = None
    interval: timedelta | None = None
    day: int | None = None
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text

    @property
    def usual_gap(self) -> timedelta:
        """The mean time between two due times; for a day of the month its shortest, four weeks."""
        return self.interval or (timedelta(days=7) / len(self.weekdays) if self.weekdays else timedelta(days=28))


@dataclass(frozen=True)
class LocalMoment:
    """A day and time on a wall clock, without a time zone. `text` is what the file says."""

    wall: datetime
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class WallTime:
    """The next such time on a wall clock: on `weekdays` (0 is Monday) at `clock`, or `moment`. `text` is as written."""

    weekdays: tuple[int, ...] = ()
    clock: time | None = None
    moment: datetime | None = None
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Hours:
    """Hours of the day, local time, from `start` up to `end`; past midnight when `start` is after `end`.

    `text` is what the file says.
    """

    start: time
    end: time
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text


def parse_every(text: object) -> Every:
    """`Tuesday 09:00`, `Monday, Friday 09:00`, `day 09:00`, `weekday 09:00`, `month 1 09:00`, `month last 09:00`,
    `15m`, `hour`, `2h`. Raises ValueError."""
    if isinstance(text, Every):
        return text
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a schedule; {_SCHEDULE}")
    if match := _INTERVAL.fullmatch("1h" if text.strip() == "hour" else text.strip()):
        return Every("interval", interval=_interval(text, int(match[1]), match[2]), text=text)
    words, _, clock = text.strip().rpartition(" ")
    if not words:
        raise ValueError(f"{text!r} is not a schedule; {_SCHEDULE}")
    at = parse_time(clock)
    if words.lower().startswith("month "):
        return Every("month", clock=at, day=_day_of_month(words[6:].strip()), text=text)
    return Every("weekdays", weekdays=_weekdays(words), clock=at, text=text)


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


def parse_moment(text: object) -> LocalMoment:
    """`2026-11-20 09:00`, a local day and time. Raises ValueError."""
    if isinstance(text, LocalMoment):
        return text
    day, _, clock = str(text).strip().replace("T", " ").partition(" ")
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) or not clock:
        raise ValueError(f"{text!r} is not a day and time; write 2026-11-20 09:00")
    try:
        return LocalMoment(datetime.combine(date.fromisoformat(day), parse_time(clock)), text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a day and time: {error}") from None


def parse_wall_time(text: object) -> WallTime:
    """`Tuesday 09:00`, `day 09:00`, or `2026-12-24 09:00`. Raises ValueError."""
    if isinstance(text, WallTime):
        return text
    write = "write Tuesday 09:00, day 09:00, weekday 09:00 or 2026-12-24 09:00"
    if isinstance(text, str) and text[:4].isdecimal():
        return WallTime(moment=parse_moment(text).wall, text=text)
    try:
        every = parse_every(text)
    except ValueError as error:
        raise ValueError(str(error).replace(_SCHEDULE, write)) from None
    if every.kind != "weekdays":
        raise ValueError(f"{text!r} is not a day of the week and a time; {write}")
    return WallTime(every.weekdays, every.clock, text=every.text)


def parse_hours(text: object) -> Hours:
    """`20:00-09:00`. Raises ValueError."""
    if isinstance(text, Hours):
        return text
    start, dash, end = text.partition("-") if isinstance(text, str) else ("", "", "")
    if not isinstance(text, str) or not dash:
        raise ValueError(f"{text!r} is not a range of hours; write 20:00-09:00")
    hours = Hours(parse_time(start), parse_time(end), text)
    if hours.start == hours.end:
        raise ValueError(f"{text!r} starts and ends at the same time; write 20:00-09:00")
    return hours


def parse_zone(text: str) -> ZoneInfo:
    """An IANA time zone such as `Europe/Berlin`. Raises ValueError."""
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(text, available_timezones(), n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else ""
        raise ValueError(f"{text!r} is not a time zone; write one such as Europe/Berlin{meant}") from None


def _text(*examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": list(examples)})


EveryText = Annotated[
    Every,
    BeforeValidator(parse_every),
    PlainSerializer(str, return_type=str),
    _text("Tuesday 09:00", "day 09:00", "weekday 09:00", "month 1 09:00", "month last 09:00", "15m", "2h"),
]
MomentText = Annotated[
    LocalMoment,
    BeforeValidator(parse_moment),
    PlainSerializer(str, return_type=str),
    _text("2026-11-20 09:00"),
]
WallTimeText = Annotated[
    WallTime,
    BeforeValidator(parse_wall_time),
    PlainSerializer(str, return_type=str),
    _text("Tuesday 09:00", "day 09:00", "weekday 09:00", "2026-12-24 09:00"),
]
ClockText = Annotated[
    time,
    BeforeValidator(lambda text: text if isinstance(text, time) else parse_time(str(text))),
    PlainSerializer(lambda clock: f"{clock:%H:%M}", return_type=str),
    Text(r"^([01]\d|2[0-3]):[0-5]\d$", "09:00"),
]


class Schedule(FileModel):
    """When a campaign is due: exactly one of `every`, `at` and `cron`."""

    every: EveryText | None = None
    at: MomentText | None = None
    cron: str | None = None
    timezone: str = "shop"  # shop, customer, or an IANA zone
    from_: date | None = Field(default=None, alias="from")
    until: date | None = None
    not_on: tuple[str, ...] = ()
    when_missed: Literal["next", "skip"] = "next"
    catch_up: Literal["latest", "all", "none"] = "latest"
    max_lateness: Duration | None = None
