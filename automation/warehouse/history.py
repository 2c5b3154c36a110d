"""The events of a batch of customers, in the form that recommenders get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import polars as pl

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from automation.contracts import Snapshot

HISTORY = ("customer_id", "product_id", "type", "occurred_at", "amount")


def read_history(snapshot: Snapshot, customers: pl.Series | ir.Table) -> pl.DataFrame:
    """All events of these customers that have a product, with the columns of `HISTORY`, by customer and time."""
    ids = (
        ibis.memtable(pl.DataFrame({"customer_id": customers.cast(pl.String)}))
        if isinstance(customers, pl.Series)
        else customers.select("customer_id")
    )
    events = snapshot.events.filter(snapshot.events.product_id.notnull()).semi_join(ids, "customer_id")
    frame: pl.DataFrame = events.select(*HISTORY).order_by("customer_id", "occurred_at", "product_id").to_polars()
    return frame
