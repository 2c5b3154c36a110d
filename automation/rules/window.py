"""The span of time that a rule looks at."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from automation.contracts import Options, Snapshot
from automation.rules.attributes import day_end, day_start, earlier
from automation.rules.values import Day, PositiveDuration, parse_day
from automation.types.quantity import Duration, format_duration, parse_duration

if TYPE_CHECKING:
    import ibis.expr.types as ir

_SPANS = ("in_the_last", "between", "before", "after")


def parse_between(value: object) -> tuple[date, date] | tuple[timedelta, timedelta]:
    """The first and the last day of a span, both included; or how long ago it was, the shorter time first."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(
            f"{value!r} is not a span of time; write its first and last day, [2026-11-01, 2026-11-30], or how long ago "
            "it was: [20d, 40d]"
        )
    ages = [_parse_age(end) for end in value]
    if None not in ages:
        return _check_ages(*ages)
    if any(age is not None for age in ages):
        raise ValueError(f"{value!r} mixes a day with a duration; write two days or two durations")
    first, last = map(parse_day, value)
    if first > last:
        raise ValueError(f"the span ends before it starts; write [{last}, {first}]")
    return first, last


def _parse_age(value: object) -> timedelta | None:
    try:
        return parse_duration(value)
    except ValueError:
        return None


def _check_ages(near: Any, far: Any) -> tuple[timedelta, timedelta]:
    if near > far:
        raise ValueError(
            f"the shorter time comes first; write [{format_duration(far)}, {format_duration(near)}], which is between "
            f"{format_duration(far)} and {format_duration(near)} ago"
        )
    if not near:
        raise ValueError(f"the span ends now; write in_the_last: {format_duration(far)}")
    if near == far:
        raise ValueError(f"the span is empty; write two different durations, such as [{format_duration(near)}, 40d]")
    return near, far


Lookback = Annotated[Duration, PositiveDuration]
"""A duration longer than 0 that ends at `as_of`."""

_DAY: dict[str, Any] = {"type": "string", "format": "date"}
_AGE: dict[str, Any] = {"type": "string", "pattern": r"^\d+\s*(s|min|m|h|d|w)$"}
_PAIR: dict[str, Any] = {"type": "array", "minItems": 2, "maxItems": 2}

Between = Annotated[
    Any,
    BeforeValidator(parse_between),
    WithJsonSchema(
        {
            "anyOf": [{**_PAIR, "items": _DAY}, {**_PAIR, "items": _AGE}],
            "examples": [["2026-11-01", "2026-11-30"], ["20d", "40d"]],
        }
    ),
]
"""The first and the last day, both included, in the shop's zone; or two durations before `as_of`."""


class Span(Options):
    """At most one of: `in_the_last` a duration, `between` two days or two durations ago, `before` or `after` a day."""

    in_the_last: Lookback | None = None
    between: Between = None
    before: Day | None = None
    after: Day | None = None

    @model_validator(mode="after")
    def _one_span(self) -> Span:
        given = [name for name in _SPANS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} can't be in one rule; keep one span of time")
        return self

    def ages(self) -> tuple[timedelta, timedelta] | None:
        """How long ago the span ended and began, where the file says it like that."""
        if self.in_the_last is not None:
            return timedelta(0), self.in_the_last
        return self.between if self.between is not None and isinstance(self.between[0], timedelta) else None

    def days(self) -> tuple[int, int] | None:
        """The first and the last day of the span, counted from the year 1, where the file names days."""
        if self.between is not None and not isinstance(self.between[0], timedelta):
            first, last = self.between
            return first.toordinal(), last.toordinal()
        if self.before is not None:
            return date.min.toordinal(), self.before.toordinal() - 1
        return None if self.after is None else (self.after.toordinal() + 1, date.max.toordinal())


class RequiredSpan(Span):
    """Exactly one of the spans."""

    @model_validator(mode="after")
    def _not_none(self) -> RequiredSpan:
        if all(getattr(self, name) is None for name in _SPANS):
            raise ValueError(f"there is no span of time; use one of {', '.join(_SPANS)}")
        return self


def are_apart(one: Span, other: Span) -> bool:
    """Whether no instant can be in both spans, whenever that is asked."""
    ages, others = one.ages(), other.ages()
    if ages is not None and others is not None:
        return max(ages[0], others[0]) >= min(ages[1], others[1])
    days, other_days = one.days(), other.days()
    if days is not None and other_days is not None:
        return max(days[0], other_days[0]) > min(days[1], other_days[1])
    return False


def span_bounds(span: Span, data: Snapshot) -> tuple[datetime | None, datetime | None]:
    """The span [start, end) in UTC; None at an open end."""
    if span.in_the_last is not None:
        return earlier(data.as_of, span.in_the_last), None
    ages = span.ages()
    if ages is not None:
        return earlier(data.as_of, ages[1]), earlier(data.as_of, ages[0])
    if span.between is not None:
        return day_start(span.between[0], data.timezone), day_end(span.between[1], data.timezone)
    if span.before is not None:
        return None, day_start(span.before, data.timezone)
    return (day_end(span.after, data.timezone) if span.after is not None else None), None


def span_tests(instant: Any, span: Span, data: Snapshot) -> list[Any]:
    """The tests for an instant to be in the span; none if the span is open at both ends."""
    import ibis

    start, end = span_bounds(span, data)
    tests = [] if start is None else [instant >= ibis.literal(start)]
    return tests if end is None else [*tests, instant < ibis.literal(end)]


def filter_span(rows: ir.Table, column: str, span: Span, data: Snapshot) -> ir.Table:
    """The rows whose instant is in the span."""
    tests = span_tests(rows[column], span, data)
    return rows.filter(*tests) if tests else rows


def has_ended(span: Span, data: Snapshot) -> bool:
    """Whether the span is over; before that, an event may still happen, so its absence is not certain.

    A span without an end ends at `as_of`, and must have begun.
    """
    start, end = span_bounds(span, data)
    return (end or start or data.as_of) <= data.as_of
