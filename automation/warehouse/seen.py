"""What the data has ever held: read for warnings about event types and trait values that were never seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from automation.types.schema import ColumnType
from automation.types.seen import Seen, SeenTrait

if TYPE_CHECKING:
    import ibis.expr.types as ir

_FEW = 50  # distinct values that are worth comparing with; more are names and numbers
_LISTED = ("text", "integer", "boolean")


def seen(customers: ir.Table, events: ir.Table, traits: Mapping[str, ColumnType]) -> Seen:
    """One pass over the customers, one over the events' types."""
    listed = [name for name, kind in traits.items() if kind in _LISTED]
    counted: pl.DataFrame = customers.aggregate(
        **{name: customers[name].approx_nunique() for name in listed}
    ).to_polars()
    few = [name for name in listed if counted[name][0] <= _FEW * 1.2]
    held: pl.DataFrame = customers.aggregate(
        **{name: customers[name].collect(distinct=True) for name in few}
    ).to_polars()
    values = {name: frozenset(held[name][0].to_list() if held[name][0] is not None else ()) for name in few}
    return Seen(
        frozenset(events.select("type").distinct().to_polars()["type"]),
        {
            name: SeenTrait(kind, values[name] if name in values and len(values[name]) <= _FEW else None)
            for name, kind in traits.items()
        },
    )
