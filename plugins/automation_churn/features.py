"""Features of each customer from events strictly before a cut date, computed in the warehouse."""

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
"""The feature columns, in the order of every matrix. Durations are in days, money in the shop's currency.

recency, tenure: days since the last and since the first purchase. frequency: days with a purchase; rate: purchase days
per 30 days of tenure. gap_mean, gap_deviation, gap_last: days between purchase days (null with only one). lateness:
recency / gap_mean. days_N, money_N: purchase days and money of the last N days. trend: purchase days of the last 90
days minus those of the 90 days before. season: purchase days in the same window a year ago. money: the total. basket:
money per purchase day; basket_last: money on the last one. products: distinct products; lines: purchase events;
returns: return events. visit_recency: days since the last other activity (null: none); visits_30: such events in the
last 30 days.
"""


def compute_features(
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
    known = _add_days_ago(_between(events, cut - history, cut), cut)
    purchases = known.filter(known.type.isin(list(bought)))
    days = _purchase_days(purchases)
    table = _aggregate_per_customer(days, horizon)
    table = table.left_join(_count_products(purchases), "customer_id").drop("customer_id_right")
    table = table.left_join(_count_other_events(known, visited), "customer_id").drop("customer_id_right")
    return _add_ratios(table).select("customer_id", **{name: ibis._[name].cast("float64") for name in FEATURES})


def count_customers(events: ir.Table, cut: datetime, *, history: timedelta, bought: Sequence[str]) -> ir.IntegerScalar:
    """The number of rows of `compute_features`, without computing them."""
    known = _between(events, cut - history, cut)
    return known.filter(known.type.isin(list(bought))).customer_id.nunique()


def find_buyers(events: ir.Table, cut: datetime, *, horizon: timedelta, bought: Sequence[str]) -> ir.Table:
    """Distinct customer_id of those who bought in [cut, cut + horizon), lazy. All other customers lapsed."""
    later = _between(events, cut, cut + horizon)
    return later.filter(later.type.isin(list(bought))).select("customer_id").distinct()


def _between(events: ir.Table, start: datetime, end: datetime) -> ir.Table:
    at = events.occurred_at
    return events.filter(events.customer_id.notnull(), at >= ibis.literal(start), at < ibis.literal(end))


def _add_days_ago(events: ir.Table, cut: datetime) -> ir.Table:
    """Adds `ago`, whole days of 24 hours before the cut, which don't depend on the engine's time zone."""
    seconds = ibis.literal(cut).delta(events.occurred_at, unit="second")
    return events.mutate(ago=(seconds / DAY).floor().cast("int32"))


def _purchase_days(purchases: ir.Table) -> ir.Table:
    """One row per customer and day with a purchase: the day's amount, and `gap`, the days since the previous one."""
    days = purchases.group_by("customer_id", "ago").aggregate(
        amount=purchases.amount.sum().fill_null(0.0), lines=purchases.count()
    )
    ordered = ibis.window(group_by="customer_id", order_by=ibis.desc("ago"))
    return days.mutate(gap=(days.ago.lag() - days.ago).over(ordered))


def _aggregate_per_customer(days: ir.Table, horizon: timedelta) -> ir.Table:
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


def _count_products(purchases: ir.Table) -> ir.Table:
    return purchases.group_by("customer_id").aggregate(products=purchases.product_id.nunique())


def _count_other_events(known: ir.Table, visited: Sequence[str]) -> ir.Table:
    others = known.filter(known.type.isin(["return", *visited]))
    visits = others.type != "return"
    return others.group_by("customer_id").aggregate(
        returns=others.count(where=~visits),
        visit_recency=others.ago.min(where=visits),
        visits_30=others.count(where=visits & (others.ago < 30)),
    )


def _add_ratios(table: ir.Table) -> ir.Table:
    return table.mutate(
        rate=30.0 * table.frequency / (table.tenure + 1),
        lateness=table.recency / table.gap_mean,
        trend=table.days_90 - table.before_90,
        basket=table.money / table.frequency,
        returns=table.returns.fill_null(0),
        visits_30=table.visits_30.fill_null(0),
    )
