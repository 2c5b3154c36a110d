"""What a value may be compared with: the operators that traits, profile fields and attributes of events share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictBool,
    WithJsonSchema,
    model_validator,
)

from automation.contracts import Options
from automation.types.quantity import Duration, format_duration

Scalar = bool | int | float | str


def parse_scalar(value: object) -> object:
    """A text, a number, or true/false, as the YAML had it."""
    if isinstance(value, bool | int | float | str):
        return value
    if value is None:
        raise ValueError("there is no value here; to ask whether one is known, write exists: true or exists: false")
    raise ValueError(f"{value!r} is not a single value; write a text, a number, true or false")


def parse_number(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is not a number; write it without quotes or unit: 100 or 19.90")


def parse_day(value: object) -> date:
    """`2026-11-20`."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif type(value) is date:
        return value
    raise ValueError(f"{value!r} is not a date; write year-month-day: 2026-11-20")


def parse_range(value: object) -> object:
    """Two numbers or two dates, the smaller one first."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{value!r} is not a range; write its two ends, both included: [10, 20]")
    ends = tuple(parse_day(end) if isinstance(end, str | date) else parse_number(end) for end in value)
    low, high = ends
    if isinstance(low, date) != isinstance(high, date):
        raise ValueError(f"{value!r} mixes a date with a number")
    if low > high:  # type: ignore[operator]
        raise ValueError(f"the range ends before it starts; write [{high}, {low}]")
    return ends


def parse_anniversary(value: object) -> object:
    """`today`, or `{in_the_next: 7d}`."""
    if value == "today":
        return {"in_the_next": "1d"}
    if isinstance(value, Mapping | Upcoming):
        return value
    raise ValueError(f"{value!r} is not an anniversary; write today or {{in_the_next: 7d}}")


def parse_list(value: object) -> object:
    if isinstance(value, list | tuple):
        return value
    raise ValueError(f"{value!r} is not a list; write [{value}], or use is")


def _some(values: tuple[object, ...]) -> tuple[object, ...]:
    if not values:
        raise ValueError("the list is empty, so nothing could be in it")
    return values


class Upcoming(Options):
    """The days from today on: `{in_the_next: 7d}` is today and the six days after it."""

    in_the_next: Duration

    @model_validator(mode="after")
    def _whole_days(self) -> Upcoming:
        if self.in_the_next % timedelta(days=1) or not timedelta(days=1) <= self.in_the_next <= timedelta(days=366):
            written = format_duration(self.in_the_next)
            raise ValueError(f"in_the_next is {written}; an anniversary wants whole days, from 1d to 366d")
        return self


_SCALAR_SCHEMA = WithJsonSchema({"type": ["string", "number", "boolean"]})
Value = Annotated[Any, BeforeValidator(parse_scalar), _SCALAR_SCHEMA]
Values = Annotated[
    tuple[Value, ...],
    BeforeValidator(parse_list),
    AfterValidator(_some),
    Field(json_schema_extra={"minItems": 1}),
]
Number = Annotated[Any, BeforeValidator(parse_number), WithJsonSchema({"type": "number"})]
Day = Annotated[
    date,
    BeforeValidator(parse_day),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-11-20"]}),
]
Range = Annotated[
    Any,
    BeforeValidator(parse_range),
    WithJsonSchema(
        {"type": "array", "items": {"type": ["number", "string"]}, "minItems": 2, "maxItems": 2, "examples": [[10, 20]]}
    ),
]
Text = Annotated[str, Field(min_length=1, strict=True)]


class Operators(Options):
    """Exactly one comparison of a value.

    A missing value is never equal, greater or smaller, contains nothing and is in no list; so `is_not` and `not_in`,
    which say the opposite of `is` and `in`, hold for it.
    """

    NAMES: ClassVar[tuple[str, ...]] = (
        *("is", "is_not", "in", "not_in", "at_least", "at_most", "between"),
        *("contains", "starts_with", "exists", "before", "after"),
    )

    is_: Value = Field(default=None, alias="is")
    is_not: Value = None
    in_: Values = Field(default=(), alias="in")
    not_in: Values = ()
    at_least: Number = None
    at_most: Number = None
    between: Range = None
    contains: Text = ""
    starts_with: Text = ""
    exists: StrictBool | None = None
    before: Day | None = None
    after: Day | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Operators:
        given = self._given()
        if not given:
            raise ValueError(f"say what it must be; one of {', '.join(self.NAMES)}")
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} stand together; give each a rule of its own under all: or any:")
        return self

    @property
    def operator(self) -> str:
        """The operator's name, as it is written."""
        return self._given()[0]

    @property
    def operand(self) -> Any:
        """What stands beside the operator."""
        return getattr(self, _field(self.operator))

    def _given(self) -> list[str]:
        return [name for name in self.NAMES if _field(name) in self.model_fields_set]


class CustomerOperators(Operators):
    """Those that only a customer's own traits have, beside the others."""

    NAMES: ClassVar[tuple[str, ...]] = (*Operators.NAMES, "anniversary")

    anniversary: Annotated[
        Upcoming | None, BeforeValidator(parse_anniversary, json_schema_input_type=Literal["today"] | Upcoming)
    ] = None


def as_operators(written: object) -> object:
    """The short forms of `where`: a value means `is`, a list means `in`."""
    if isinstance(written, Mapping | BaseModel):
        return written
    return {"in": written} if isinstance(written, list | tuple) else {"is": written}


def _field(name: str) -> str:
    return f"{name}_" if name in ("is", "in") else name


Tested = Annotated[
    Operators,
    BeforeValidator(as_operators, json_schema_input_type=Scalar | list[Scalar] | Operators),
]
"""A value to be equal to, a list to be in, or a mapping with one operator."""
