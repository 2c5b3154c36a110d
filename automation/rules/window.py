"""The span of time that a rule looks at."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from automation.contracts import Options, Snapshot
from automation.rules.attributes import day_end, day_start, earlier
from automation.rules.values import Day, PositiveDuration, parse_day
from automation.types.quantity import Duration

if TYPE_CHECKING:
    import ibis.expr.types as ir

_SPANS = ("in_the_last", "between", "before", "after")


def parse_days(value: object) -> tuple[date, date]:
    """The first and the last day of a span, both included."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{value!r} is not a span of days; write the first and the last: [2026-11-01, 2026-11-30]")
    first, last = map(parse_day, value)
    if first > last:
        raise ValueError(f"the span ends before it starts; write [{last}, {first}]")
    return first, last


Lookback = Annotated[Duration, PositiveDuration]
"""A duration longer than 0 that ends at `as_of`."""

Days = Annotated[
    tuple[date, date],
    BeforeValidator(parse_days),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "format": "date"},
            "minItems": 2,
            "maxItems": 2,
            "examples": [["2026-11-01", "2026-11-30"]],
        }
    ),
]
"""The first and the last day, both included, in the shop's zone."""


class Span(Options):
    """At most one of: `in_the_last` a duration, `between` two days, `before` or `after` a day."""

    in_the_last: Lookback | None = None
    between: Days | None = None
    before: Day | None = None
    after: Day | None = None

    @model_validator(mode="after")
    def _one_span(self) -> Span:
        given = [name for name in _SPANS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} can't be in one rule; keep one span of time")
        return self


class RequiredSpan(Span):
    """Exactly one of: `in_the_last` a duration, `between` two days, `before` or `after` a day."""

    @model_validator(mode="after")
    def _not_none(self) -> RequiredSpan:
        if all(getattr(self, name) is None for name in _SPANS):
            raise ValueError(f"there is no span of time; use one of {', '.join(_SPANS)}")
        return self


def span_bounds(span: Span, data: Snapshot) -> tuple[datetime | None, datetime | None]:
    """The span [start, end) in UTC; None at an open end."""
    if span.in_the_last is not None:
        return earlier(data.as_of, span.in_the_last), None
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
