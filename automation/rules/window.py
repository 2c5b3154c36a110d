"""Which span of time a rule looks at."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from automation.contracts import Snapshot
from automation.rules.attributes import day_end, day_start
from automation.rules.operators import parse_day
from automation.types.quantity import Duration

if TYPE_CHECKING:
    import ibis.expr.types as ir


def parse_days(value: object) -> tuple[date, date]:
    """Two dates, the first one first; both days belong to the span."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{value!r} is not a span of days; write the first and the last: [2026-11-01, 2026-11-30]")
    first, last = map(parse_day, value)
    if first > last:
        raise ValueError(f"the span ends before it starts; write [{last}, {first}]")
    return first, last


def _some_time(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("nothing happens in no time; write a longer one, such as 30d")
    return value


Lookback = Annotated[Duration, AfterValidator(_some_time)]
"""A duration that ends at `as_of` and is longer than nothing."""

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


def within(
    events: ir.Table, column: str, data: Snapshot, *, in_the_last: timedelta | None, between: tuple[date, date] | None
) -> ir.Table:
    """The rows of the half-open span [as_of - in_the_last, as_of), or of the days `between`."""
    import ibis

    if in_the_last is not None:
        return events.filter(events[column] >= ibis.literal(_earlier(data.as_of, in_the_last)))
    if between is not None:
        start, end = day_start(between[0], data.timezone), day_end(between[1], data.timezone)
        return events.filter(events[column] >= ibis.literal(start), events[column] < ibis.literal(end))
    return events


def has_closed(between: tuple[date, date] | None, data: Snapshot) -> bool:
    """Whether the span is over, so that an absence can be told."""
    return between is None or day_end(between[1], data.timezone) <= data.as_of


def _earlier(as_of: datetime, by: timedelta) -> datetime:
    """`as_of - by`, or the earliest instant there is."""
    earliest = datetime(1, 1, 2, tzinfo=as_of.tzinfo)
    return as_of - by if as_of - earliest > by else earliest
