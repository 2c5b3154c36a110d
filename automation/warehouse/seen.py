"""Which event types, columns and values the data has, for warnings about those in campaigns that it doesn't have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automation import event_types
from automation.types.schema import ColumnType
from automation.types.seen import Seen, SeenTrait

if TYPE_CHECKING:
    import ibis.expr.types as ir

_FEW = 200
_IDENTIFYING = frozenset({"customer_id", "email", "phone", "first_name", "last_name", "postcode"}) | {
    *("product_id", "name", "url", "image_url"),
}
"""Columns with about one value for each customer or product: a value that is new is no sign of a typing error."""


def read_seen(customers: ir.Table, products: ir.Table, events: ir.Table) -> Seen:
    """The event types, and every trait and attribute; with its distinct values if there are at most 200."""
    types = events.select("type").distinct().to_polars()["type"]
    of_events = {name: SeenTrait(_kind(dtype)) for name, dtype in events.schema().items()}
    return Seen(
        frozenset(types.to_list()),
        _columns(customers),
        {**_columns(products), **of_events},
        _currencies(events, products),
    )


def _currencies(events: ir.Table, products: ir.Table) -> frozenset[str]:
    """The currencies that amounts and prices are in."""
    paid = events.filter(events.amount.notnull(), events.type != event_types.RATING)
    priced = products.filter(products.price.notnull())
    found = [table.select("currency").distinct().to_polars()["currency"] for table in (paid, priced)]
    return frozenset(code for codes in found for code in codes.drop_nulls().to_list())


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
    if name in _IDENTIFYING or not (dtype.is_string() or dtype.is_boolean()):
        return None
    found = table.select(name).distinct().limit(_FEW + 2).to_polars()[name].drop_nulls().to_list()
    return frozenset(found) if len(found) <= _FEW else None
