"""The operators that compare traits, profile fields and attributes of events with a value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, Field, StrictBool, model_validator

from automation.contracts import Options
from automation.rules.values import Day, Items, Number, Pattern, PositiveDuration, Range, Text, Value, Values
from automation.types.quantity import Duration, format_duration

Scalar = bool | int | float | str


def parse_anniversary(value: object) -> object:
    """`today`, or `{in_the_next: 7d}`."""
    if value == "today":
        return {"in_the_next": "1d"}
    if isinstance(value, Mapping | UpcomingDays):
        return value
    raise ValueError(f"{value!r} is not an anniversary; write today or {{in_the_next: 7d}}")


class UpcomingDays(Options):
    """The days from today on: `{in_the_next: 7d}` is today and the next six days."""

    in_the_next: Duration

    @model_validator(mode="after")
    def _whole_days(self) -> UpcomingDays:
        if self.in_the_next % timedelta(days=1) or not timedelta(days=1) <= self.in_the_next <= timedelta(days=366):
            written = format_duration(self.in_the_next)
            raise ValueError(f"in_the_next is {written}; an anniversary needs whole days, from 1d to 366d")
        return self


class RelativeSpan(Options):
    """A span of time that ends or begins now: `{in_the_last: 30d}` or `{in_the_next: 30d}`."""

    in_the_last: Annotated[Duration, PositiveDuration] | None = None
    in_the_next: Annotated[Duration, PositiveDuration] | None = None

    @model_validator(mode="after")
    def _one_side(self) -> RelativeSpan:
        if (self.in_the_last is None) == (self.in_the_next is None):
            raise ValueError("within needs one span: {in_the_last: 30d} or {in_the_next: 30d}")
        return self


class Operators(Options):
    """Exactly one comparison of a value.

    A missing value is never equal, greater or smaller, contains nothing and is in no list. `is_not` and `not_in`, the
    opposites of `is` and `in`, therefore hold for it.
    """

    NAMES: ClassVar[tuple[str, ...]] = (
        *("is", "is_not", "in", "not_in", "at_least", "at_most", "more_than", "less_than", "between"),
        *("contains", "contains_any", "contains_all", "starts_with", "ends_with", "matches", "exists"),
        *("before", "after", "within", "older_than"),
    )

    is_: Value = Field(default=None, alias="is")
    is_not: Value = None
    in_: Values = Field(default=(), alias="in")
    not_in: Values = ()
    at_least: Number = None
    at_most: Number = None
    more_than: Number = None
    less_than: Number = None
    between: Range = None
    contains: Text = ""
    contains_any: Items = ()
    contains_all: Items = ()
    starts_with: Text = ""
    ends_with: Text = ""
    matches: Pattern = ""
    exists: StrictBool | None = None
    before: Day | None = None
    after: Day | None = None
    within: RelativeSpan | None = None
    older_than: Annotated[Duration, PositiveDuration] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Operators:
        given = self._given()
        if not given:
            raise ValueError(f"there is no operator; use one of {', '.join(self.NAMES)}")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} can't be in one rule; write a rule for each under all: or any:")
        return self

    @property
    def operator(self) -> str:
        """The operator's name in the file."""
        return self._given()[0]

    @property
    def operand(self) -> Any:
        """The operator's value."""
        return getattr(self, _field(self.operator))

    def _given(self) -> list[str]:
        return [name for name in self.NAMES if _field(name) in self.model_fields_set]


class CustomerOperators(Operators):
    """The operators of traits: all others, and `anniversary`."""

    NAMES: ClassVar[tuple[str, ...]] = (*Operators.NAMES, "anniversary")

    anniversary: Annotated[
        UpcomingDays | None, BeforeValidator(parse_anniversary, json_schema_input_type=Literal["today"] | UpcomingDays)
    ] = None


def parse_attribute_test(written: object) -> object:
    """Expand the short forms in `where`: a value means `is`, a list means `in`."""
    if isinstance(written, Mapping | BaseModel):
        return written
    return {"in": written} if isinstance(written, list | tuple) else {"is": written}


def _field(name: str) -> str:
    return f"{name}_" if name in ("is", "in") else name


AttributeTest = Annotated[
    Operators,
    BeforeValidator(parse_attribute_test, json_schema_input_type=Scalar | list[Scalar] | Operators),
]
"""A value to equal, a list to be in, or a mapping with one operator."""
