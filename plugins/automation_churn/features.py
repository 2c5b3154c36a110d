"""Features of each customer from events strictly before a cut date, computed set-wise in the warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir

DAY = 86_400
FEATURES = (
    "recency",
    "tenure",
    "frequency",
    "rate",
    "gap_mean",
    "gap_deviation",
    "gap_last",
    "lateness",
    "days_30",
    "days_90",
    "days_180",
    "trend",
    "season",
    "money",
    "money_30",
    "money_90",
    "basket",
    "basket_last",
    "products",
    "lines",
    "returns",
    "visit_recency",
    "visits_30",
)
"""The features' columns, in the order of every matrix. Durations are days, money is the shop's currency.

recency, tenure: since the last, the first purchase. frequency: days with a purchase; rate: of them per 30 days of
tenure. gap_mean, gap_deviation, gap_last: between purchase days (null with one). lateness: recency over gap_mean.
days_N, money_N: within the last N days; trend: purchase days of the last 90 less those of the 90 before. season:
purchase days in the same window a year ago. basket: money per purchase day; basket_last: on the last. products:
distinct ones; lines: purchase events; returns: events of a return. visit_recency, visits_30: of other activity (null:
none).
"""


def features(
    events: ir.Table,
    cut: datetime,
    *,
    horizon: timedelta,
    history: timedelta,
    bought: Sequence[str],
    visited: Sequence[str],
) -> ir.Table:
    """customer_id and `FEATURES` (Float64, null where undefined), one row per customer with a purchase in
    [cut − history, cut); lazy."""
    known = _ago(_between(events, cut - history, cut), cut)
    purchases = known.filter(known.type.isin(list(bought)))
    days = _purchase_days(purchases)
    table = _per_customer(days, horizon)
    table = table.left_join(_counts(purchases), "customer_id").drop("customer_id_right")
    table = table.left_join(_other(known, visited), "customer_id").drop("customer_id_right")
    return _ratios(table).select("customer_id", **{name: ibis._[name].cast("float64") for name in FEATURES})


def known_customers(events: ir.Table, cut: datetime, *, history: timedelta, bought: Sequence[str]) -> ir.IntegerScalar:
    """How many rows `features` has, without computing them."""
    known = _between(events, cut - history, cut)
    return known.filter(known.type.isin(list(bought))).customer_id.nunique()


def returned(events: ir.Table, cut: datetime, *, horizon: timedelta, bought: Sequence[str]) -> ir.Table:
    """customer_id of those who bought in [cut, cut + horizon), lazy and distinct; all other customers lapsed."""
    later = _between(events, cut, cut + horizon)
    return later.filter(later.type.isin(list(bought))).select("customer_id").distinct()


def _between(events: ir.Table, start: datetime, end: datetime) -> ir.Table:
    at = events.occurred_at
    return events.filter(events.customer_id.notnull(), at >= ibis.literal(start), at < ibis.literal(end))


def _ago(events: ir.Table, cut: datetime) -> ir.Table:
    """Adds `ago`, whole days before the cut: days don't depend on an engine's time zone."""
    seconds = ibis.literal(cut).delta(events.occurred_at, unit="second")
    return events.mutate(ago=(seconds / DAY).floor().cast("int32"))


def _purchase_days(purchases: ir.Table) -> ir.Table:
    """One row per customer and day with a purchase: amount of the day, and `gap` to the purchase day before."""
    days = purchases.group_by("customer_id", "ago").aggregate(
        amount=purchases.amount.sum().fill_null(0.0), lines=purchases.count()
    )
    ordered = ibis.window(group_by="customer_id", order_by=ibis.desc("ago"))
    return days.mutate(gap=(days.ago.lag() - days.ago).over(ordered))


def _per_customer(days: ir.Table, horizon: timedelta) -> ir.Table:
    a_year_ago = days.ago.between(366 - horizon.days, 365)

    def within(first: int, last: int) -> ir.BooleanValue:
        return days.ago.between(first, last)

    def money(last: int) -> Any:
        return days.amount.sum(where=within(0, last)).fill_null(0.0)

    return days.group_by("customer_id").aggregate(
        recency=days.ago.min(),
        tenure=days.ago.max(),
        frequency=days.count(),
        gap_mean=days.gap.mean(),
        gap_deviation=days.gap.std(how="pop"),
        gap_last=days.gap.argmin(days.ago),
        days_30=days.count(where=within(0, 29)),
        days_90=days.count(where=within(0, 89)),
        days_180=days.count(where=within(0, 179)),
        before_90=days.count(where=within(90, 179)),
        season=days.count(where=a_year_ago),
        money=days.amount.sum(),
        money_30=money(29),
        money_90=money(89),
        basket_last=days.amount.argmin(days.ago),
        lines=days.lines.sum(),
    )


def _counts(purchases: ir.Table) -> ir.Table:
    return purchases.group_by("customer_id").aggregate(products=purchases.product_id.nunique())


def _other(known: ir.Table, visited: Sequence[str]) -> ir.Table:
    others = known.filter(known.type.isin(["return", *visited]))
    visits = others.type != "return"
    return others.group_by("customer_id").aggregate(
        returns=others.count(where=~visits),
        visit_recency=others.ago.min(where=visits),
        visits_30=others.count(where=visits & (others.ago < 30)),
    )


def _ratios(table: ir.Table) -> ir.Table:
    return table.mutate(
        rate=30.0 * table.frequency / (table.tenure + 1),
        lateness=table.recency / table.gap_mean,
        trend=table.days_90 - table.before_90,
        basket=table.money / table.frequency,
        returns=table.returns.fill_null(0),
        visits_30=table.visits_30.fill_null(0),
    )
