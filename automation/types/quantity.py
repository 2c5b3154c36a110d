"""Durations, money, percentages and comparisons, parsed from the text of a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

Operator = Literal["at_least", "at_most", "exactly", "more_than", "less_than"]

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+)\s*(s|min|m|h|d|w)")
_MONEY = re.compile(r"(\d+(?:\.\d{1,2})?) ?([A-Z]{3})")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")
_COMPARISON = re.compile(
    r"(at least|at most|exactly|more than|less than|>=|<=|==|=|>|<)? *(-?\d+(?:\.\d+)?)( [A-Z]{3})?"
)
_OPERATORS: dict[str, Operator] = {
    "at least": "at_least",
    ">=": "at_least",
    "at most": "at_most",
    "<=": "at_most",
    "exactly": "exactly",
    "==": "exactly",
    "=": "exactly",
    "more than": "more_than",
    ">": "more_than",
    "less than": "less_than",
    "<": "less_than",
}


@dataclass(frozen=True)
class Money:
    """An amount in one currency (ISO 4217 code)."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


@dataclass(frozen=True)
class Comparison:
    """A comparison with a number: `at least 2`, or a bare `2`, which means exactly 2."""

    operator: Operator
    number: Decimal
    currency: str | None = None

    def __str__(self) -> str:
        unit = f" {self.currency}" if self.currency else ""
        return f"{self.operator.replace('_', ' ')} {self.number}{unit}"

    def holds(self, value: Any) -> Any:
        """`value <operator> number`, for numbers, arrays, columns and Ibis expressions alike."""
        number = int(self.number) if self.number == self.number.to_integral_value() else float(self.number)
        match self.operator:
            case "at_least":
                return value >= number
            case "at_most":
                return value <= number
            case "more_than":
                return value > number
            case "less_than":
                return value < number
        return value == number


@dataclass(frozen=True)
class TopShare:
    """The highest share of some values: `top 20%`. A part of a value counts as one."""

    share: Decimal

    def __str__(self) -> str:
        return f"top {format_percent(self.share)}"

    def count(self, of: int) -> int:
        """How many of so many values are in it."""
        above, below = self.share.as_integer_ratio()
        return -(-of * above // below)

    def includes(self, place: Any, of: Any) -> Any:
        """Whether the place, counted from 0 for the highest, is in it; for integers and Ibis expressions alike."""
        above, below = self.share.as_integer_ratio()
        return place * below < of * above


def parse_duration(text: object) -> timedelta:
    """`90d`, `2h`, `30m`, `45s`, `2w`; a day is 24 hours. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    if isinstance(text, str) and (match := _DURATION.fullmatch(text.strip())):
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    raise ValueError(f"{text!r} is not a duration; write a whole number and a unit: 45s, 30m, 2h, 90d, 2w")


def parse_money(text: object) -> Money:
    """`2000 EUR`, `19.90 EUR`. Raises ValueError."""
    if isinstance(text, Money):
        return text
    if isinstance(text, str) and (match := _MONEY.fullmatch(text.strip())):
        return Money(Decimal(match[1]), match[2])
    raise ValueError(f"{text!r} is not an amount of money; write 2000 EUR or 19.90 EUR")


def parse_percent(text: object) -> Decimal:
    """`10%` → 0.1; from 0 to 100 %. Raises ValueError."""
    if isinstance(text, Decimal):
        return text
    if isinstance(text, str) and (match := _PERCENT.fullmatch(text.strip())):
        share = Decimal(match[1]) / 100
        if share <= 1:
            return share
        raise ValueError(f"{text!r} is more than 100 %")
    raise ValueError(f"{text!r} is not a percentage; write 10% or 2.5%")


def parse_comparison(text: object) -> Comparison:
    """`at least 2`, `at most 10 EUR`, `exactly 3`, or a bare number. Raises ValueError."""
    if isinstance(text, Comparison):
        return text
    if isinstance(text, int | float) and not isinstance(text, bool):
        return Comparison("exactly", Decimal(str(text)))
    if isinstance(text, str) and (match := _COMPARISON.fullmatch(text.strip())):
        return Comparison(_OPERATORS[match[1] or "="], Decimal(match[2]), match[3].strip() if match[3] else None)
    raise ValueError(
        f"{text!r} is not a comparison; write at least 2, at most 2, exactly 2, more than 2 or less than 2"
    )


def format_percent(share: Decimal) -> str:
    """As people write it: `10%`, `2.5%`."""
    return f"{(share * 100).normalize():f}%"


def parse_top_share(text: object) -> TopShare:
    """`5%`, above 0. Raises ValueError."""
    if isinstance(text, TopShare):
        return text
    share = parse_percent(text)
    if not share:
        raise ValueError("0% selects nobody; write 10%, or remove the line")
    return TopShare(share)


def parse_score(text: object) -> Comparison | TopShare:
    """`at least 0.6`, or `top 20%`. Raises ValueError."""
    if isinstance(text, TopShare):
        return text
    if isinstance(text, str) and text.strip().startswith("top "):
        return parse_top_share(text.strip().removeprefix("top ").strip())
    return parse_comparison(text)


def format_duration(value: timedelta) -> str:
    """The shortest way to write it: `90d`, `2h`, `30m`, `45s`."""
    seconds = int(value.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s*(s|min|m|h|d|w)$", "examples": ["90d", "2h", "30m"]}),
]
Amount = Annotated[
    Money,
    BeforeValidator(parse_money),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d{1,2})? ?[A-Z]{3}$", "examples": ["2000 EUR"]}),
]
Percent = Annotated[
    Decimal,
    BeforeValidator(parse_percent),
    PlainSerializer(format_percent, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? ?%$", "examples": ["10%"]}),
]
NumberComparison = Annotated[
    Comparison,
    BeforeValidator(parse_comparison),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "number"], "examples": ["at least 2", 2]}),
]
Score = Annotated[
    Any,
    BeforeValidator(parse_score),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": ["string", "number"], "examples": ["at least 0.6", "top 20%"]}),
]
