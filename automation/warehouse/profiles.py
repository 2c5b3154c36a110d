"""What follows from a customer's purchases."""

from __future__ import annotations

from datetime import datetime

import ibis
import ibis.expr.types as ir


def profiles(events: ir.Table, as_of: datetime) -> ir.Table:
    """One row per customer who ever bought before `as_of`; columns as in `contracts.Snapshot`.

    A purchase is an event of type `purchase`; an amount that is missing counts as nothing in `monetary`.
    """
    bought = events.filter(events.type == "purchase", events.occurred_at < ibis.literal(as_of))
    found = bought.group_by("customer_id").aggregate(
        frequency=bought.occurred_at.date().nunique(),
        monetary=bought.amount.sum().fill_null(0.0),
        first_purchase_at=bought.occurred_at.min(),
        last_purchase_at=bought.occurred_at.max(),
    )
    microseconds = ibis.literal(as_of).delta(found.last_purchase_at, unit="microsecond")
    return found.select(
        "customer_id",
        recency_days=microseconds / 86_400_000_000.0,
        frequency=found.frequency.cast("int64"),
        monetary=found.monetary.cast("float64"),
        first_purchase_at=found.first_purchase_at,
        last_purchase_at=found.last_purchase_at,
    )
