"""Aggregate facts to one row per customer: everything in a profile that doesn't change merely because time passes.

spent              units of all purchases
placed, orders     distinct orders; those with a known amount
frequency          distinct days (UTC) with a purchase; `gaps` are the days between them, `last_gap` is the last gap
first_at, last_at  the first and the last purchase
category, brand    the one with most purchase lines, ties by name; with its lines, and all lines that have one
known, reduced     purchases with a known discount, and with a discount above 0; `usual` is the median of the latter
*_hour, *_weekday  the local hour and weekday (1 = Monday) of most orders or opens, ties by the earliest
sent, opened, clicked  distinct messages
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from automation.warehouse.profiling.facts import CLICK, OPEN, PURCHASE, SENT, seconds, utc
from automation.warehouse.profiling.offsets import FIRST_YEAR

_MONTHS = 100_000  # more than the months since the year 0
_MANY = 2**31  # more than the categories, the brands, and the purchases of one customer


@dataclass(frozen=True)
class MeasureInputs:
    """facts, offsets: from the modules of these names. people: customer, zone. products: product, category, brand."""

    facts: ir.Table
    people: ir.Table
    products: ir.Table
    offsets: ir.Table


def compute_measures(sources: MeasureInputs) -> ir.Table:
    """One row for each of `people`; null for what a customer never did."""
    bought = sources.facts.filter(sources.facts.kind == PURCHASE)
    opened = sources.facts.filter(sources.facts.kind == OPEN)
    orders = bought.group_by("customer", "act").aggregate(at=bought["at"].min(), priced=bought.units.count() > 0)
    parts = [
        _purchases(bought),
        _orders(orders),
        _days(bought),
        _favourite(bought, sources.products, "category"),
        _favourite(bought, sources.products, "brand"),
        _rhythm(orders, sources, "buying"),
        _rhythm(opened, sources, "opening"),
        _engagement(sources.facts),
    ]
    found = sources.people
    for part in parts:
        found = found.left_join(part, "customer").drop("customer_right")
    return found


def _purchases(bought: ir.Table) -> ir.Table:
    return bought.group_by("customer").aggregate(
        spent=bought.units.sum().cast("int64"),
        first_at=bought["at"].min(),
        last_at=bought["at"].max(),
        known=bought.discount.count(),
        reduced=(bought.discount > 0).sum().cast("int64"),
        usual=bought.discount.median(where=bought.discount > 0),
    )


def _orders(orders: ir.Table) -> ir.Table:
    return orders.group_by("customer").aggregate(placed=orders.count(), orders=orders.priced.sum().cast("int64"))


def _days(bought: ir.Table) -> ir.Table:
    days = bought.select("customer", "day").distinct()
    window = ibis.window(group_by="customer", order_by="day")
    days = days.mutate(gap=days.day.delta(days.day.lag().over(window), unit="day").cast("int64"))
    return days.group_by("customer").aggregate(
        frequency=days.count(), last_gap=days.gap.argmax(days.day), gaps=days.gap.collect(where=days.gap.notnull())
    )


def _favourite(bought: ir.Table, products: ir.Table, what: str) -> ir.Table:
    """Rank the names and count lines by rank, so that the most frequent is the maximum of one number."""
    kinds = products.filter(products[what].notnull()).select(what).distinct()
    kinds = kinds.mutate(rank=ibis.row_number().over(ibis.window(order_by=what)))
    ranked = products.inner_join(kinds, what).select("product", "rank")
    lines = bought.inner_join(ranked, "product").group_by("customer", "rank").aggregate(lines=lambda t: t.count())
    best = lines.group_by("customer").aggregate(
        best=(lines.lines * _MANY + (_MANY - 1 - lines["rank"])).max(), all=lines.lines.sum().cast("int64")
    )
    best = best.mutate(rank=_MANY - 1 - best.best % _MANY)
    named = best.inner_join(kinds, "rank")
    return named.select(
        "customer",
        **{what: named[what], f"{what}_lines": (named.best // _MANY).cast("int64"), f"{what}_all": named["all"]},
    )


def _rhythm(done: ir.Table, sources: MeasureInputs, doing: str) -> ir.Table:
    first = FIRST_YEAR * 12
    at = utc(done["at"])
    month = ibis.greatest(at.year().cast("int64") * 12 + at.month() - 1, first)
    placed = done.select("customer", seconds=seconds(done["at"]), month=month)
    zoned = placed.inner_join(sources.people.select("customer", "zone"), "customer")
    zoned = zoned.select("customer", "seconds", "month", "zone")
    zoned = zoned.select("customer", "seconds", "month", place=_place(zoned))
    hours = sources.offsets.select("starts", "ends", "offset", place=_place(sources.offsets))
    found = zoned.inner_join(hours, "place").select("customer", "seconds", "month", "starts", "ends", "offset")
    holds = (found.seconds < found.ends) & ((found.seconds >= found.starts) | (found.month == first))
    local = found.filter(holds).select("customer", local=found.seconds + found.offset)
    counted = local.group_by("customer", hour=local.local // 3600 % 24, day=(local.local // 86400 + 3) % 7)
    return _most(counted.aggregate(times=lambda t: t.count()), doing)


def _place(table: ir.Table) -> ir.Value:
    """Zone and month as one key; with two, DuckDB joined every customer with every month before it read events."""
    if table.zone.type().is_integer():
        return table.zone * _MONTHS + table.month
    return table.month.cast("string").concat(" ", table.zone)


def _most(counted: ir.Table, doing: str) -> ir.Table:
    """The most frequent hour and weekday; ties go to the earliest. 1970 began on a Thursday."""
    hours = counted.group_by("customer", "hour").aggregate(times=counted.times.sum().cast("int64"))
    hours = hours.group_by("customer").aggregate(best=(hours.times * 24 + (23 - hours.hour)).max())
    days = counted.group_by("customer", "day").aggregate(times=counted.times.sum().cast("int64"))
    days = days.group_by("customer").aggregate(best=(days.times * 7 + (6 - days.day)).max())
    both = hours.select("customer", **{f"{doing}_hour": (23 - hours.best % 24).cast("int64")})
    weekdays = days.select("customer", **{f"{doing}_weekday": (7 - days.best % 7).cast("int64")})
    return both.inner_join(weekdays, "customer")


def _engagement(facts: ir.Table) -> ir.Table:
    messages = facts.filter(facts.kind != PURCHASE)
    return messages.group_by("customer").aggregate(
        sent=messages.act.nunique(where=messages.kind == SENT),
        opened=messages.act.nunique(where=messages.kind == OPEN),
        clicked=messages.act.nunique(where=messages.kind == CLICK),
    )
