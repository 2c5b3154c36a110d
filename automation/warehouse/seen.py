"""What the warehouse has ever held, for warnings about event types and values in the files that it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automation.types.schema import ColumnType
from automation.types.seen import Seen, SeenTrait

if TYPE_CHECKING:
    import ibis.expr.types as ir

_FEW = 200
_MANY_VALUED = frozenset({"customer_id", "email", "phone", "first_name", "last_name", "postcode", "city"}) | {
    *("product_id", "name", "url", "image_url"),
}


def seen(customers: ir.Table, products: ir.Table, events: ir.Table) -> Seen:
    """The event types, and every trait and product attribute with its distinct values where they are few."""
    types = events.select("type").distinct().to_polars()["type"]
    of_events = {name: SeenTrait(_kind(dtype)) for name, dtype in events.schema().items()}
    return Seen(
        frozenset(types.to_list()),
        _columns(customers),
        {**_columns(products), **of_events},
    )


def _columns(table: ir.Table) -> dict[str, SeenTrait]:
    return {name: SeenTrait(_kind(dtype), _values(table, name, dtype)) for name, dtype in table.schema().items()}


def _kind(dtype: Any) -> ColumnType:
    tests: tuple[tuple[bool, ColumnType], ...] = (
        (dtype.is_boolean(), "boolean"),
        (dtype.is_integer(), "integer"),
        (dtype.is_numeric(), "number"),
        (dtype.is_date(), "date"),
        (dtype.is_timestamp(), "time"),
    )
    return next((kind for holds, kind in tests if holds), "text")


def _values(table: ir.Table, name: str, dtype: Any) -> frozenset[str | int | float | bool] | None:
    if name in _MANY_VALUED or not (dtype.is_string() or dtype.is_boolean()):
        return None
    found = table.select(name).distinct().limit(_FEW + 2).to_polars()[name].drop_nulls().to_list()
    return frozenset(found) if len(found) <= _FEW else None
