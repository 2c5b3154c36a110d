"""Events in order: `then` and `then_not`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from automation.contracts import Snapshot
from automation.rules.attributes import earlier
from automation.rules.behaviour import Then
from automation.rules.where import where_tests

if TYPE_CHECKING:
    import ibis.expr.types as ir


def filter_followed(events: ir.Table, known: ir.Table, after: Then, data: Snapshot, *, absent: bool) -> ir.Table:
    """The `events` that one of `known` follows as `after` requires; with `absent`, those that none follows in time.

    Both kinds are sorted by time, at the same instant the following kind first, so that the next following event is a
    minimum over a window. A self-join would be quadratic in a customer's events.
    """
    import ibis

    following = known.filter(known.type == after.did, *where_tests(known, after.where, data))
    if after.product is not None:
        events, following = events.filter(events.product_id.notnull()), following.filter(following.product_id.notnull())
    instant = following.occurred_at
    timeline = ibis.union(
        following.select(known.columns).mutate(turn=ibis.literal(0), follows_at=instant),
        events.select(known.columns).mutate(turn=ibis.literal(1), follows_at=ibis.null(instant.type())),
    )
    ahead = ibis.window(
        group_by=["customer_id", *(["product_id"] if after.product else [])],
        order_by=["occurred_at", "turn"],
        rows=(0, None),
    )
    timeline = timeline.mutate(next_at=timeline.follows_at.min().over(ahead))
    candidates = timeline.filter(timeline.turn == 1)
    return candidates.filter(_passes(candidates, after, data, absent=absent)).select(known.columns)


def _passes(candidates: ir.Table, after: Then, data: Snapshot, *, absent: bool) -> Any:
    import ibis

    if after.within is None:
        return candidates.next_at.isnull() if absent else candidates.next_at.notnull()
    followed = candidates.next_at <= candidates.occurred_at + ibis.interval(seconds=int(after.within.total_seconds()))
    if not absent:
        return followed
    over = candidates.occurred_at < ibis.literal(earlier(data.as_of, after.within))
    return over & ~followed.fill_null(False)
