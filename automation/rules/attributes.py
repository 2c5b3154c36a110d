"""A table's column as rules see it: found by name, of a kind that only some operators suit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from automation.errors import ConfigurationError
from automation.rules.operators import Operators, parse_day

if TYPE_CHECKING:
    import ibis.expr.types as ir

Kind = Literal["text", "number", "boolean", "date", "time"]

_EXACT = ("is", "is_not", "in", "not_in", "exists")
SUITS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "text": (*_EXACT, "contains", "starts_with"),
        "number": (*_EXACT, "at_least", "at_most", "between"),
        "boolean": _EXACT,
        "date": (*_EXACT, "between", "before", "after", "anniversary"),
        "time": ("exists", "between", "before", "after"),
    }
)
_WORDS: Mapping[Kind, str] = MappingProxyType(
    {"text": "a text", "number": "a number", "boolean": "true or false", "date": "a date", "time": "a point in time"}
)


@dataclass(frozen=True)
class Attribute:
    """`what` names it to a reader: `trait 'country'`."""

    what: str
    column: ir.Value
    kind: Kind


def near_misses(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)`, or what there is."""
    names = sorted(known)
    close = get_close_matches(name, names, n=3)
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    return f"; there is {', '.join(names)}" if names else "; there are none"


def find_attribute(table: ir.Table, name: str, noun: str) -> Attribute:
    """The table's column of that name. Raises `ConfigurationError` with near misses."""
    if name not in table.columns:
        raise ConfigurationError(f"there is no {noun} {name!r}{near_misses(name, table.columns)}")
    return Attribute(f"{noun} {name!r}", table[name], _kind(table[name], f"{noun} {name!r}"))


def holds(attribute: Attribute, operators: Operators, timezone: str) -> ir.BooleanValue:
    """The comparison as a filter: null (a missing value) counts as false in one, so only negations mind it.

    A date compared with a point in time means that whole day in `timezone`.
    """
    name = operators.operator
    if name not in SUITS[attribute.kind]:
        can = ", ".join(SUITS[attribute.kind])
        raise ConfigurationError(f"{attribute.what} is {_WORDS[attribute.kind]}, which {name} can't compare; use {can}")
    if attribute.kind == "time":
        return _holds_in_time(attribute.column, name, operators.operand, timezone)
    return _COMPARE[name](attribute.column, _operand(attribute, name, operators.operand))


def day_start(day: date, timezone: str) -> datetime:
    """The instant at which the day begins there, in UTC."""
    return datetime.combine(day, time.min, ZoneInfo(timezone)).astimezone(ZoneInfo("UTC"))


def day_end(day: date, timezone: str) -> datetime:
    """The instant at which the next day begins there."""
    return day_start(day + timedelta(days=1), timezone)


def _holds_in_time(column: Any, name: str, operand: Any, timezone: str) -> Any:
    import ibis

    if name == "exists":
        return _COMPARE["exists"](column, operand)
    first, last = operand if name == "between" else (operand, operand)
    if not isinstance(first, date):
        raise ConfigurationError(f"{first!r} is not a date; write year-month-day: 2026-11-20")
    start, end = ibis.literal(day_start(first, timezone)), ibis.literal(day_end(last, timezone))
    if name == "before":
        return column < start
    return column >= end if name == "after" else (column >= start) & (column < end)


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "is": lambda column, value: column == value,
        "is_not": lambda column, value: (column != value) | column.isnull(),
        "in": lambda column, values: column.isin(values),
        "not_in": lambda column, values: column.notin(values) | column.isnull(),
        "at_least": lambda column, value: column >= value,
        "at_most": lambda column, value: column <= value,
        "between": lambda column, ends: column.between(*ends),
        "contains": lambda column, text: column.contains(text),
        "starts_with": lambda column, text: column.startswith(text),
        "exists": lambda column, known: column.notnull() if known else column.isnull(),
        "before": lambda column, day: column < day,
        "after": lambda column, day: column > day,
    }
)


def _operand(attribute: Attribute, name: str, operand: Any) -> Any:
    if name in ("contains", "starts_with", "exists"):
        return operand
    if name in ("in", "not_in", "between"):
        return [_comparable(attribute, value) for value in operand]
    return _comparable(attribute, operand)


def _comparable(attribute: Attribute, value: Any) -> Any:
    """The written value as the column's kind, or an error that names both."""
    match attribute.kind, value:
        case ("text", str()) | ("boolean", bool()):
            return value
        case "number", int() | float() if not isinstance(value, bool):
            return value
        case "date", date():
            return value
        case "date", str():
            try:
                return parse_day(value)
            except ValueError as error:
                raise ConfigurationError(f"{attribute.what} is a date: {error}") from error
    hint = f"; write {str(value)!r} in quotes" if attribute.kind == "text" else ""
    raise ConfigurationError(
        f"{attribute.what} is {_WORDS[attribute.kind]} and can't be compared with {_written(value)}{hint}"
    )


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"the text {value!r}" if isinstance(value, str) else f"the number {value}"


def _kind(column: ir.Value, what: str) -> Kind:
    dtype = column.type()
    if dtype.is_boolean():
        return "boolean"
    if dtype.is_numeric():
        return "number"
    if dtype.is_string():
        return "text"
    if dtype.is_date():
        return "date"
    if dtype.is_timestamp():
        return "time"
    raise ConfigurationError(f"{what} is of type {dtype}, which no rule compares yet")
