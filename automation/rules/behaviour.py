"""The options of `did` and `did_not`: how often, when, with what, how much, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from automation.contracts import Options
from automation.rules.operators import AttributeTest
from automation.rules.values import PositiveDuration, Value, Values
from automation.rules.window import Lookback, RequiredSpan, Span, are_apart
from automation.types import schedule
from automation.types.quantity import (
    Comparison,
    NumberComparison,
    format_duration,
    parse_comparison,
    parse_duration,
)
from automation.types.schedule import WEEKDAYS

_PRICED = ("amount", "price")
_PERIODS: Mapping[str, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_COLUMNS = {"product": "product_id", "order": "order_id"}
_MOST_PERIODS = 60


@dataclass(frozen=True)
class Total:
    """A comparison of one attribute's total, average or number of values over a customer's events."""

    attribute: str
    comparison: Comparison


def parse_total(written: object) -> Total:
    """`at least 100 EUR` (of the amounts), or another attribute: `{quantity: at least 3}`."""
    if isinstance(written, Total):
        return written
    if not isinstance(written, Mapping):
        return Total("amount", parse_comparison(written))
    if len(written) != 1:
        raise ValueError("write a comparison such as at least 100 EUR, or one attribute: {quantity: at least 3}")
    ((attribute, comparison),) = written.items()
    total = Total(str(attribute), parse_comparison(comparison))
    if total.comparison.currency and attribute not in _PRICED:
        raise ValueError(f"only amounts have a currency; write {{{attribute}: {_without_currency(total.comparison)}}}")
    return total


def parse_distinct(written: object) -> object:
    """`{product: at least 3}`: the attribute whose distinct values are counted."""
    if isinstance(written, Total):
        return written
    if not isinstance(written, Mapping) or len(written) != 1:
        raise ValueError("distinct needs one attribute, such as {product: at least 3}")
    ((attribute, comparison),) = written.items()
    count = _whole(parse_comparison(comparison), "distinct counts values")
    return Total(_COLUMNS.get(str(attribute), str(attribute)), count)


def parse_period(written: object) -> timedelta:
    """`hour`, `day`, `week`, or a duration."""
    if isinstance(written, str) and written in _PERIODS:
        return _PERIODS[written]
    if written in ("month", "year"):
        raise ValueError(f"{written}s differ in length; write 30d or 365d")
    return parse_duration(written)


def parse_weekdays(written: object) -> tuple[int, ...]:
    """`Saturday`, or a list of days, as numbers from 0 for Monday."""
    names = written if isinstance(written, list | tuple) else [written]
    days = {day.lower(): number for number, day in enumerate(WEEKDAYS)}
    for name in names:
        if name not in range(7) and str(name).lower() not in days:
            raise ValueError(f"{name!r} is not a weekday; write {', '.join(WEEKDAYS)}, or a list of them")
    if not names:
        raise ValueError("the list of weekdays is empty; write at least one day")
    return tuple(sorted({name if isinstance(name, int) else days[str(name).lower()] for name in names}))


def parse_hours(written: object) -> schedule.Hours:
    """`18:00-22:00`; hours that end before they start continue past midnight."""
    try:
        return schedule.parse_hours(written)
    except ValueError as error:
        raise ValueError(f"{written!r} is not a span of hours; write 18:00-22:00") from error


def _occasions(times: Comparison) -> Comparison:
    if times.currency:
        raise ValueError(f"times is a count, not an amount of money; write {_without_currency(times)}, or use sum")
    if times.number != times.number.to_integral_value():
        raise ValueError(f"times must be a whole number, not {times.number}")
    if times.number < 0 or (times.holds(0) and not times.holds(1)):
        raise ValueError("times must allow 1 or more; for something that never happened, use did_not")
    return times


def _whole(comparison: Comparison, what: str) -> Comparison:
    number = comparison.number
    if comparison.currency or number != number.to_integral_value() or number < 0:
        raise ValueError(f"{what}; write a whole number, such as at least 3")
    return comparison


def _without_currency(comparison: Comparison) -> Comparison:
    return Comparison(comparison.operator, comparison.number)


_COMPARISON: dict[str, Any] = {"type": ["string", "number"]}
_ONE_ATTRIBUTE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": _COMPARISON,
    "minProperties": 1,
    "maxProperties": 1,
}
_TOTAL = WithJsonSchema(
    {"anyOf": [_COMPARISON, _ONE_ATTRIBUTE], "examples": ["at least 100 EUR", {"quantity": "at least 3"}]}
)
_WEEKDAY: dict[str, Any] = {"enum": [*WEEKDAYS, *map(str.lower, WEEKDAYS)]}
AnyTotal = Annotated[Any, BeforeValidator(parse_total), _TOTAL]
Distinct = Annotated[
    Any, BeforeValidator(parse_distinct), WithJsonSchema({**_ONE_ATTRIBUTE, "examples": [{"product": "at least 3"}]})
]
Period = Annotated[
    timedelta,
    BeforeValidator(parse_period),
    PositiveDuration,
    WithJsonSchema({"type": "string", "pattern": r"^(hour|day|week|\d+\s*(s|min|m|h|d|w))$", "examples": ["week"]}),
]
Weekdays = Annotated[
    Any,
    BeforeValidator(parse_weekdays),
    WithJsonSchema({"anyOf": [_WEEKDAY, {"type": "array", "items": _WEEKDAY, "minItems": 1}]}),
]
Hours = Annotated[
    Any,
    BeforeValidator(parse_hours),
    WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d-\d\d:\d\d$", "examples": ["18:00-22:00"]}),
]


class Most(Options):
    """The most frequent value of an attribute among a customer's events: `{of: category, is: tea}`."""

    of: str = Field(min_length=1)
    is_: Value = Field(default=None, alias="is")
    in_: Values = Field(default=(), alias="in")

    @model_validator(mode="after")
    def _one_test(self) -> Most:
        if (self.is_ is None) == (not self.in_):
            raise ValueError("most needs either is or in, such as {of: category, is: tea}")
        return self

    @property
    def column(self) -> str:
        return _COLUMNS.get(self.of, self.of)

    @property
    def values(self) -> tuple[Any, ...]:
        return self.in_ or (self.is_,)


class Then(Options):
    """An event that must follow: strictly later and, with `within`, no later than that."""

    did: str = Field(min_length=1)
    within: Lookback | None = None
    where: Mapping[str, AttributeTest] = Field(default_factory=dict)
    product: Literal["same"] | None = None


class ThenNot(Then):
    """An event that must not follow: within that time, which must have passed; or, without `within`, until now."""


class Behaviour(Span):
    """The options that `did` and `did_not` share."""

    times: Annotated[NumberComparison, AfterValidator(_occasions)] | None = None
    where: Mapping[str, AttributeTest] = Field(default_factory=dict)
    weekday: Weekdays = None
    time_of_day: Hours = None
    sum: AnyTotal = None
    average: AnyTotal = None
    distinct: Distinct = None
    first: RequiredSpan | None = None
    last: RequiredSpan | None = None
    most: Most | None = None
    every: Period | None = None
    for_: Annotated[int, Field(ge=1, le=_MOST_PERIODS)] | None = Field(default=None, alias="for")
    then: Then | None = None
    then_not: ThenNot | None = None
    product: Literal["same"] | None = None

    @model_validator(mode="after")
    def _check_combinations(self) -> Behaviour:
        if (self.every is None) != (self.for_ is None):
            raise ValueError("every and for need each other: every: week, for: 4 is once in each of the last 4 weeks")
        if self.then is not None and self.then_not is not None:
            raise ValueError("then and then_not can't be in one rule; write a rule for each under all: or any:")
        return self

    @model_validator(mode="after")
    def _can_hold(self) -> Behaviour:
        """Refuse spans that no event can be in, whatever the data."""
        for name, span in (("first", self.first), ("last", self.last)):
            if span is not None and are_apart(self, span):
                raise ValueError(f"no event can be in the rule's span and in that of {name}; change one of them")
        oldest = None if (ages := self.ages()) is None else ages[1]
        if oldest is None:
            return self
        written = format_duration(oldest)
        within = None if self.then_not is None else self.then_not.within
        if within is not None and within >= oldest:
            raise ValueError(
                f"then_not waits {format_duration(within)}, and no event of the last {written} is older than that; "
                f"write a longer span, or leave out within: for what has not happened until now"
            )
        if self.every is not None and self.for_ is not None and self.every * (self.for_ - 1) >= oldest:
            reach = format_duration(self.every * self.for_)
            raise ValueError(f"every and for look back {reach}, the rule's span only {written}; write a longer span")
        return self

    def numeric_attributes(self) -> Iterator[str]:
        """The attributes that must be numbers."""
        yield from (total.attribute for total in (self.sum, self.average) if total is not None)

    def attributes(self) -> set[str]:
        """All attributes of events or of their products that the rule reads."""
        after = [part for part in (self.then, self.then_not) if part is not None]
        named = {*self.where, *(name for part in after for name in part.where), *self.numeric_attributes()}
        if self.distinct is not None:
            named.add(self.distinct.attribute)
        return named | ({self.most.column} if self.most is not None else set())


ONCE = Comparison("at_least", Decimal(1))
