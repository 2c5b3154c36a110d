"""A customer's value beside what a rule compares it with, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from automation.contracts import Figure, Snapshot
from automation.rules.operators import Operators, RelativeSpan
from automation.types.quantity import Money, format_duration

if TYPE_CHECKING:
    import ibis.expr.types as ir

_LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "at_least": "at least {}",
        "at_most": "at most {}",
        "more_than": "more than {}",
        "less_than": "less than {}",
        "before": "before {}",
        "after": "after {}",
        "older_than": "longer ago than {}",
    }
)
_UNITS = ("days", "hours", "minutes", "seconds")


def measure_value(table: ir.Table, column: ir.Value, name: str, operators: Operators, data: Snapshot) -> Figure:
    """The value of one customer. table: has their row, or none."""
    rows = table.select(value=column).limit(1).to_polars()["value"].to_list()
    value = rows[0] if rows else None
    return Figure(_spell(value, name, operators, data), _needs(operators))


def spell_number(value: float | None, currency: str | None = None) -> str:
    """`312.00 EUR`, `1,200`, `0.43`; `nothing` where there is none."""
    if value is None:
        return "nothing"
    if currency is not None:
        return f"{value:,.2f} {currency}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}".rstrip("0")


def spell_local_day(instant: datetime, data: Snapshot) -> str:
    """The day of an instant in the shop's zone."""
    return instant.astimezone(ZoneInfo(data.timezone)).date().isoformat()


def _spell(value: Any, name: str, operators: Operators, data: Snapshot) -> str:
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value.astimezone(ZoneInfo(data.timezone)):%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return _spell_quantity(float(value), name, operators)
    return ", ".join(map(str, value)) or "nothing" if isinstance(value, list) else str(value)


def _spell_quantity(value: float, name: str, operators: Operators) -> str:
    asked = operators.operand
    one = asked[0] if isinstance(asked, tuple) and asked else asked
    if isinstance(one, Money):
        return spell_number(value, one.currency)
    if isinstance(one, Decimal):
        return f"{spell_number(round(value * 100, 1))}%"
    unit = next((unit for unit in _UNITS if name.endswith(f"_{unit}")), None)
    if isinstance(one, timedelta) and unit is not None:
        return f"{spell_number(round(value, 1))} {unit}"
    return spell_number(value)


def _needs(operators: Operators) -> str:
    """The limit of a comparison by size; the rule's text shows what it is of any other."""
    name, asked = operators.operator, operators.operand
    if name in _LIMITS:
        return _LIMITS[name].format(_written(asked))
    if name == "between":
        return f"between {_written(asked[0])} and {_written(asked[1])}"
    if isinstance(asked, RelativeSpan):
        past, future = asked.in_the_last, asked.in_the_next
        return f"in the last {_written(past)}" if past is not None else f"in the next {_written(future)}"
    return ""


def _written(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Decimal):
        return f"{spell_number(float(value * 100))}%"
    if isinstance(value, int | float):
        return spell_number(value)
    return str(value)
