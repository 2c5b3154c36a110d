"""The values of operators, as people write them: texts, numbers, amounts, percentages, durations, days, patterns."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from automation.types.quantity import Money, parse_duration, parse_money, parse_percent

Quantity = int | float | Money | Decimal | timedelta
"""A number, an amount of money, a share (`20%` is `Decimal("0.2")`) or a duration."""

_LONGEST_PATTERN = 200
_MOST_REPEATS = 1000  # the limit of RE2, DuckDB's regular expressions
_ESCAPES = re.compile(r"\\[dDwWsS.\\^$|?*+()\[\]{}/-]")
_UNPORTABLE = re.compile(r"\(\?(?!:)|\\.|[*+?}]\+|\{,|\[:|[\^$]")
_QUANTITIES: tuple[Callable[[object], Quantity], ...] = (parse_money, parse_percent, parse_duration)


def parse_scalar(value: object) -> object:
    """A text, a number, or true/false, as in the YAML."""
    if isinstance(value, bool | int | float | str):
        return value
    if value is None:
        raise ValueError("the value is empty; to test whether a value is known, write exists: true or exists: false")
    raise ValueError(f"{value!r} is not a single value; write a text, a number, true or false")


def parse_quantity(value: object) -> Quantity:
    """`100`, `19.90`, `100 EUR`, `20%`, `30d`. Raises ValueError, also for more than 100 %."""
    if isinstance(value, int | float | Money | Decimal | timedelta) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        for parse in _QUANTITIES:
            try:
                return parse(value)
            except ValueError as error:
                if "more than 100 %" in str(error):
                    raise
    raise ValueError(f"{value!r} is not a number; write 100, 19.90, 100 EUR, 20% or 30d")


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
    """Two quantities of one kind or two dates, the smaller one first."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{value!r} is not a range; write its two ends, both included: [10, 20]")
    low, high = map(_range_end, value)
    _check_one_kind(value, low, high)
    if _size(low) > _size(high):
        raise ValueError(f"the range ends before it starts; write [{value[1]}, {value[0]}]")
    return low, high


def _range_end(end: object) -> object:
    if isinstance(end, str):
        try:
            return parse_day(end)
        except ValueError:
            return parse_quantity(end)
    return end if type(end) is date else parse_quantity(end)


def _check_one_kind(value: object, low: object, high: object) -> None:
    if isinstance(low, date) != isinstance(high, date):
        raise ValueError(f"{value!r} mixes a date with a number")
    number = (int, float)
    if type(low) is not type(high) and not (isinstance(low, number) and isinstance(high, number)):
        raise ValueError(f"{value!r} mixes two units; write both ends in the same unit")
    if isinstance(low, Money) and isinstance(high, Money) and low.currency != high.currency:
        raise ValueError(f"{value!r} mixes two currencies; write both ends in the same currency")


def _size(end: Any) -> Any:
    return end.amount if isinstance(end, Money) else end


def parse_list(value: object) -> object:
    if isinstance(value, list | tuple):
        return value
    raise ValueError(f"{value!r} is not a list; write [{value}], or use is")


def parse_pattern(value: object) -> str:
    """A regular expression that means the same on every engine. Raises ValueError for anything else."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a pattern; write a text such as '[A-Z]{{2}}[0-9]+'")
    if len(value) > _LONGEST_PATTERN:
        raise ValueError(f"the pattern has {len(value)} characters; at most {_LONGEST_PATTERN} are allowed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            re.compile(value)
        except (re.error, FutureWarning) as error:
            raise ValueError(f"{value!r} is not a pattern: {error}") from error
    plain = _ESCAPES.sub("a", value).replace("[^", "[")
    if math.prod(int(count) or 1 for count in re.findall(r"[{,](\d+)(?=[,}])", plain)) > _MOST_REPEATS:
        raise ValueError(f"{value!r} repeats too often; at most {_MOST_REPEATS} times are allowed")
    if found := _UNPORTABLE.search(plain):
        raise ValueError(
            f"{value!r} has {found[0]!r}, which databases interpret differently; a pattern matches the whole text and "
            "may have letters, ., [...], (...), |, *, +, ?, {n} and \\d \\w \\s"
        )
    return value


def parse_items(value: object) -> tuple[str, ...]:
    """The items of a list trait: texts without commas."""
    items = (value,) if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items:
        raise ValueError(f"{value!r} is not a list; write [vip, wholesale]")
    for item in items:
        if not isinstance(item, str) or not item.strip() or "," in item:
            raise ValueError(f"{item!r} can't be an item of a list; write texts without commas")
    return tuple(item.strip() for item in items)


def _some(values: tuple[object, ...]) -> tuple[object, ...]:
    if not values:
        raise ValueError("the list is empty; write at least one value")
    return values


def _some_time(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("the duration must be longer than 0; write one such as 30d")
    return value


_SCALAR_SCHEMA = WithJsonSchema({"type": ["string", "number", "boolean"]})
_DAY_SCHEMA: dict[str, Any] = {"type": "string", "format": "date", "examples": ["2026-11-20"]}
_PAIR: dict[str, Any] = {"type": "array", "minItems": 2, "maxItems": 2}

Value = Annotated[Any, BeforeValidator(parse_scalar), _SCALAR_SCHEMA]
Values = Annotated[
    tuple[Value, ...], BeforeValidator(parse_list), AfterValidator(_some), Field(json_schema_extra={"minItems": 1})
]
Number = Annotated[
    Any,
    BeforeValidator(parse_quantity),
    WithJsonSchema({"type": ["number", "string"], "examples": [100, "100 EUR", "20%", "30d"]}),
]
Day = Annotated[
    date,
    BeforeValidator(parse_day),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema(_DAY_SCHEMA),
]
Range = Annotated[
    Any,
    BeforeValidator(parse_range),
    WithJsonSchema({**_PAIR, "items": {"type": ["number", "string"]}, "examples": [[10, 20]]}),
]
Items = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_items),
    WithJsonSchema(
        {"type": ["array", "string"], "items": {"type": "string"}, "minItems": 1, "examples": [["vip", "wholesale"]]}
    ),
]
Pattern = Annotated[
    str, BeforeValidator(parse_pattern), WithJsonSchema({"type": "string", "examples": ["[A-Z]{2}[0-9]+"]})
]
Text = Annotated[str, Field(min_length=1, strict=True)]
PositiveDuration = AfterValidator(_some_time)
"""Refuses a duration of 0."""
