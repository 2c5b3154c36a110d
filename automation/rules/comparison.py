"""The comparison of a column with a value, as a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.rules.attributes import KIND_WORDS, Attribute, Kind, day_end, day_start, earlier, later
from automation.rules.operators import Operators, RelativeSpan
from automation.rules.patterns import make_portable
from automation.rules.values import parse_day, parse_quantity
from automation.types.quantity import Money, format_duration

if TYPE_CHECKING:
    import ibis.expr.types as ir

_EXACT = ("is", "is_not", "in", "not_in", "exists")
_SPANS = ("between", "before", "after", "within", "older_than")
SUITS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "text": (*_EXACT, "contains", "contains_any", "contains_all", "starts_with", "ends_with", "matches"),
        "number": (*_EXACT, "at_least", "at_most", "more_than", "less_than", "between"),
        "boolean": _EXACT,
        "date": (*_EXACT, *_SPANS, "anniversary"),
        "time": ("exists", *_SPANS),
        "list": ("contains", "contains_any", "contains_all", "exists"),
    }
)
LENGTHS: Mapping[str, timedelta] = MappingProxyType(
    {
        "_days": timedelta(days=1),
        "_hours": timedelta(hours=1),
        "_minutes": timedelta(minutes=1),
        "_seconds": timedelta(seconds=1),
    }
)
_POSITIVE = {"is_not": "is", "not_in": "in"}


def compare(attribute: Attribute, operators: Operators, data: Snapshot) -> ir.BooleanValue:
    """The comparison as a filter expression. Raises `ConfigurationError` where the operator doesn't suit the column.

    A missing value gives null, which a filter treats as false; so only the negations have to handle it. A date that is
    compared with a point in time means that whole day in the shop's zone.
    """
    name, operand = operators.operator, operators.operand
    if name not in SUITS[attribute.kind]:
        can = ", ".join(SUITS[attribute.kind])
        raise ConfigurationError(
            f"{attribute.what} is {KIND_WORDS[attribute.kind]}, which {name} can't compare; use {can}"
        )
    if name == "exists":
        return attribute.column.notnull() if operand else attribute.column.isnull()
    if name in _POSITIVE:
        return ~_compare(attribute, _POSITIVE[name], operand, data).fill_null(False)
    return _compare(attribute, name, operand, data)


def _compare(attribute: Attribute, name: str, operand: Any, data: Snapshot) -> Any:
    match attribute.kind:
        case "number":
            return _compare_number(attribute, name, operand)
        case "time":
            return _compare_instant(attribute.column, name, operand, data)
        case "date" if name in ("within", "older_than") or _are_ages(name, operand):
            return _compare_age(attribute.column, operand, data)
        case "text" | "list" if name in ("contains_any", "contains_all"):
            return _compare_items(attribute, name, operand)
    return _COMPARE[name](attribute.column, _operand(attribute, name, operand))


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "is": lambda column, value: column == value,
        "in": lambda column, values: column.isin(values),
        "at_least": lambda column, value: column >= value,
        "at_most": lambda column, value: column <= value,
        "more_than": lambda column, value: column > value,
        "less_than": lambda column, value: column < value,
        "between": lambda column, ends: column.between(*ends),
        "contains": lambda column, part: column.contains(part),
        "starts_with": lambda column, text: column.startswith(text),
        "ends_with": lambda column, text: column.endswith(text),
        # In Java, $ also matches before a final line break; the semicolon prevents that.
        "matches": lambda column, pattern: (column + ";").re_search(f"^(?:{make_portable(pattern)});$"),
        "before": lambda column, day: column < day,
        "after": lambda column, day: column > day,
    }
)


# Points in time and days


def _are_ages(name: str, operand: Any) -> bool:
    """Whether a range says how long ago, as in `between: [20d, 40d]`."""
    return name == "between" and isinstance(operand[0], timedelta)


def _compare_instant(column: Any, name: str, operand: Any, data: Snapshot) -> Any:
    import ibis

    if _are_ages(name, operand):
        near, far = (ibis.literal(earlier(data.as_of, age)) for age in operand)
        return (column >= far) & (column < near)
    if name == "within":
        return _around(column, operand, data)
    if name == "older_than":
        return column < ibis.literal(earlier(data.as_of, operand))
    first, last = operand if name == "between" else (operand, operand)
    if not isinstance(first, date):
        raise ConfigurationError(f"{_written(first)} is not a date; write year-month-day: 2026-11-20")
    start, end = ibis.literal(day_start(first, data.timezone)), ibis.literal(day_end(last, data.timezone))
    if name == "before":
        return column < start
    return column >= end if name == "after" else (column >= start) & (column < end)


def _around(column: Any, around: RelativeSpan, data: Snapshot) -> Any:
    """[as_of - in_the_last, as_of), or [as_of, as_of + in_the_next)."""
    import ibis

    now = ibis.literal(data.as_of)
    if around.in_the_last is not None:
        return (column >= ibis.literal(earlier(data.as_of, around.in_the_last))) & (column < now)
    assert around.in_the_next is not None
    return (column >= now) & (column < ibis.literal(later(data.as_of, around.in_the_next)))


def _compare_age(column: Any, operand: RelativeSpan | timedelta | tuple[timedelta, timedelta], data: Snapshot) -> Any:
    """Compare by days from the shop's today, which is the first of the days in either direction."""
    today = data.today or data.as_of.astimezone(ZoneInfo(data.timezone)).date()
    if isinstance(operand, tuple):
        near, far = map(_whole_days, operand)
        return (column <= today - near) & (column > today - far)
    if isinstance(operand, timedelta):
        return column <= today - _whole_days(operand)
    if operand.in_the_last is not None:
        return (column > today - _whole_days(operand.in_the_last)) & (column <= today)
    assert operand.in_the_next is not None
    return (column >= today) & (column < today + _whole_days(operand.in_the_next))


def _whole_days(span: timedelta) -> timedelta:
    if span % timedelta(days=1):
        raise ConfigurationError(f"a date can't be compared with {format_duration(span)}; write whole days")
    return span


# Numbers with their units


def _compare_number(attribute: Attribute, name: str, operand: Any) -> Any:
    several = name in ("in", "between")
    values = [_number(attribute, value) for value in (operand if several else [operand])]
    test = _COMPARE[name](attribute.column, values if several else values[0])
    currencies = {currency for value in (operand if several else [operand]) if (currency := _currency(value))}
    if len(currencies) > 1:
        raise ConfigurationError(f"{attribute.what} can't be compared with two currencies at once")
    if currencies and attribute.currency is not None:
        test &= attribute.currency.isnull() | attribute.currency.isin(sorted(currencies))
    return test


def _number(attribute: Attribute, value: Any) -> int | float:
    """The quantity in the column's unit. Raises `ConfigurationError`."""
    if isinstance(value, str):
        try:
            value = parse_quantity(value)
        except ValueError as error:
            raise _incomparable(attribute, value) from error
    match value:
        case Money():
            return float(value.amount)
        case Decimal():
            return float(value)
        case timedelta():
            return _length(attribute, value)
        case bool() | date():
            raise _incomparable(attribute, value)
    number: int | float = value
    return number


def _currency(value: Any) -> str | None:
    if isinstance(value, str):
        value = parse_quantity(value)
    return value.currency if isinstance(value, Money) else None


def _length(attribute: Attribute, span: timedelta) -> int | float:
    name = attribute.what.rstrip("'")
    unit = next((unit for ending, unit in LENGTHS.items() if name.endswith(ending)), None)
    if unit is None:
        ending = ", ".join(f"…{ending}" for ending in LENGTHS)
        raise ConfigurationError(f"{attribute.what} has no unit of time in its name ({ending}); write a plain number")
    return span / unit


# Texts, dates and lists


def _compare_items(attribute: Attribute, name: str, items: tuple[str, ...]) -> Any:
    """Look for items in a list, or in a text that separates items by commas."""
    import ibis

    if attribute.kind == "list":
        tests = [attribute.column.contains(item) for item in items]
    else:
        # Not strip(): Spark reads the escapes that ibis passes to it as letters, \v as v.
        listed = (ibis.literal(",") + attribute.column + ",").re_replace(r"[ \t\r\n]*,[ \t\r\n]*", ",")
        tests = [listed.contains(f",{item},") for item in items]
    return reduce(and_ if name == "contains_all" else or_, tests)


def _operand(attribute: Attribute, name: str, operand: Any) -> Any:
    if name in ("contains", "starts_with", "ends_with", "matches"):
        return operand
    if name in ("in", "between"):
        return [_comparable(attribute, value) for value in operand]
    return _comparable(attribute, operand)


def _comparable(attribute: Attribute, value: Any) -> Any:
    """The written value as the column's kind. Raises `ConfigurationError` naming both."""
    match attribute.kind, value:
        case ("text", str()) | ("boolean", bool()) | ("date", date()):
            return value
        case "date", str():
            try:
                return parse_day(value)
            except ValueError as error:
                raise ConfigurationError(f"{attribute.what} is a date: {error}") from error
    raise _incomparable(attribute, value)


def _incomparable(attribute: Attribute, value: object) -> ConfigurationError:
    hint = f"; write {str(value)!r} in quotes" if attribute.kind == "text" else ""
    return ConfigurationError(
        f"{attribute.what} is {KIND_WORDS[attribute.kind]} and can't be compared with {_written(value)}{hint}"
    )


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, str):
        return f"the text {value!r}"
    return f"the number {value}" if isinstance(value, int | float) else str(value)
