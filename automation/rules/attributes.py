"""Columns as rules see them: found by name, with the kind that decides which operators apply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from automation.errors import ConfigurationError

if TYPE_CHECKING:
    import ibis.expr.types as ir

Kind = Literal["text", "number", "boolean", "date", "time", "list"]

KIND_WORDS: Mapping[Kind, str] = MappingProxyType(
    {
        "text": "a text",
        "number": "a number",
        "boolean": "true or false",
        "date": "a date",
        "time": "a point in time",
        "list": "a list",
    }
)


@dataclass(frozen=True)
class Attribute:
    """`what` names it in errors: `trait 'country'`. `currency` is the column of each row's currency."""

    what: str
    column: ir.Value
    kind: Kind
    currency: ir.StringValue | None = None


def near_misses(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` with similar names, or else all known names."""
    names = sorted(known)
    close = get_close_matches(name, names, n=3)
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    return f"; known: {', '.join(names)}" if names else "; none are known"


def has_attribute(table: ir.Table, name: str) -> bool:
    """Whether the table has the column; a name with dots is resolved as in `find_attribute`."""
    return _column(table, name) is not None


def find_attribute(table: ir.Table, name: str, noun: str) -> Attribute:
    """Find the column by name. Raises `ConfigurationError` with similar names.

    `address.city` is the field of a struct column `address` if the engine has such columns, else the column
    `address_city`.
    """
    column = _column(table, name)
    if column is None:
        raise ConfigurationError(f"there is no {noun} {name!r}{near_misses(name, table.columns)}")
    currency = table["currency"] if "currency" in table.columns and name != "currency" else None
    return Attribute(f"{noun} {name!r}", column, _kind(column, f"{noun} {name!r}"), currency)


def _column(table: ir.Table, name: str) -> Any:
    if name in table.columns:
        return table[name]
    head, *fields = name.split(".")
    if head in table.columns and table[head].type().is_struct():
        column = table[head]
        for field in fields:
            if not column.type().is_struct() or field not in column.type().names:
                return None
            column = column[field]
        return column
    flat = name.replace(".", "_")
    return table[flat] if flat in table.columns else None


def day_start(day: date, timezone: str) -> datetime:
    """The instant, in UTC, at which the day begins in the time zone."""
    return datetime.combine(day, time.min, ZoneInfo(timezone)).astimezone(ZoneInfo("UTC"))


def day_end(day: date, timezone: str) -> datetime:
    """The instant, in UTC, at which the next day begins in the time zone."""
    return day_start(day + timedelta(days=1), timezone)


def earlier(instant: datetime, by: timedelta) -> datetime:
    """`instant - by`, or the earliest possible instant."""
    earliest = datetime(1, 1, 2, tzinfo=instant.tzinfo)
    return instant - by if instant - earliest > by else earliest


def later(instant: datetime, by: timedelta) -> datetime:
    """`instant + by`, or the latest possible instant."""
    latest = datetime(9999, 12, 30, tzinfo=instant.tzinfo)
    return instant + by if latest - instant > by else latest


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
    if dtype.is_array() and dtype.value_type.is_string():
        return "list"
    raise ConfigurationError(f"{what} has the type {dtype}, which rules can't compare")
