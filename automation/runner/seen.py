"""What the warehouse has ever held, for warnings about words in the files that it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automation.types.schema import ColumnType
from automation.types.seen import Seen, SeenTrait
from automation.warehouse.connect import Warehouse

if TYPE_CHECKING:
    import ibis.expr.types as ir

_FEW = 200
_MANY_VALUED = frozenset({"customer_id", "email", "phone", "first_name", "last_name", "postcode", "city"})


def seen(warehouse: Warehouse) -> Seen:
    """The event types, and every trait with its distinct values where they are few."""
    types = warehouse.table("events").select("type").distinct().to_polars()["type"]
    customers = warehouse.table("customers")
    traits = {
        name: SeenTrait(_kind(dtype), _values(customers, name, dtype)) for name, dtype in customers.schema().items()
    }
    return Seen(frozenset(types.to_list()), traits)


def _kind(dtype: Any) -> ColumnType:
    tests: tuple[tuple[bool, ColumnType], ...] = (
        (dtype.is_boolean(), "boolean"),
        (dtype.is_integer(), "integer"),
        (dtype.is_numeric(), "number"),
        (dtype.is_date(), "date"),
        (dtype.is_timestamp(), "time"),
    )
    return next((kind for holds, kind in tests if holds), "text")


def _values(customers: ir.Table, name: str, dtype: Any) -> frozenset[str | int | float | bool] | None:
    if name in _MANY_VALUED or not (dtype.is_string() or dtype.is_boolean()):
        return None
    found = customers.select(name).distinct().limit(_FEW + 2).to_polars()[name].drop_nulls().to_list()
    return frozenset(found) if len(found) <= _FEW else None
