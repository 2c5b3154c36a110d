"""Attribution: credits the goals' events to the messages, or holdouts, before them.

A touch is a message that was sent, or the moment at which somebody was held out of one. Holdouts compete for credit
like the contacted, so that both groups lose the same share of purchases to other campaigns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import ibis
import polars as pl

if TYPE_CHECKING:
    import ibis.expr.types as ir

Model = Literal["last", "first", "linear"]
MODELS: tuple[Model, ...] = ("last", "first", "linear")

TOUCHES = pl.Schema(
    {
        "touch": pl.Int64(),  # the decision's number
        "customer_id": pl.String(),
        "campaign": pl.String(),
        "goal": pl.String(),  # the type of event that counts
        "at": pl.Datetime("us", "UTC"),
        "until": pl.Datetime("us", "UTC"),
    }
)


def attribute(events: ir.Table, touches: ir.Table, model: Model) -> ir.Table:
    """event_id, touch, credit Float64: each event's credit among its customer's touches, summing to 1.

    events: customer_id, event_id, type, occurred_at. touches: `TOUCHES`. An event after `at` and not after `until` may
    be credited to a touch of its type: to the latest (`last`), the earliest (`first`) or all in equal parts (`linear`).
    An event that no touch precedes is absent.
    """
    happened = events.select("event_id", "type", "occurred_at", who=events.customer_id)
    follows = [
        touches.customer_id == happened.who,
        touches.goal == happened.type,
        happened.occurred_at > touches.at,
        happened.occurred_at <= touches.until,
    ]
    pairs = touches.join(happened, follows)
    if model == "linear":
        return pairs.mutate(credit=1.0 / ibis._.count().over(group_by="event_id").cast("float64"))[_CREDITED]
    order = [ibis._.at, ibis._.touch] if model == "first" else [ibis.desc("at"), ibis.desc("touch")]
    placed = pairs.mutate(place=ibis.row_number().over(group_by="event_id", order_by=order))
    return placed.filter(placed.place == 0).mutate(credit=ibis.literal(1.0))[_CREDITED]


_CREDITED = ["event_id", "touch", "credit"]
