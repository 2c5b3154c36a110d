"""Facts to one row per customer: everything about a profile that the passing of time alone doesn't change.

spent, orders     units over all purchases; distinct orders of which an amount is known
frequency         distinct days (UTC) with a purchase; `gaps` are days from each to the next, `last_gap` the last
first_at, last_at of purchases
category, brand   the most bought by lines, of equals the first by name; with its lines and all lines that have one
known, reduced    purchases whose discount is known, and those among them with one; `usual` is the latter's median
*_hour, *_weekday the customer's local hour and weekday (1 = Monday) of most orders or opens, of equals the earliest
sent, opened, clicked  distinct messages
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from automation.warehouse.profiling.facts import CLICK, OPEN, PURCHASE, SENT, seconds, utc
from automation.warehouse.profiling.offsets import FIRST_YEAR

_MONTHS = 100_000  # more than there are since the year 0
_MANY = 2**31  # more than there are categories, brands, or purchases of one customer


@dataclass(frozen=True)
class Sources:
    """facts, offsets: as of the modules of that name. people: customer, zone. shelf: product, category, brand."""

    facts: ir.Table
    people: ir.Table
    shelf: ir.Table
    offsets: ir.Table


def measures(sources: Sources) -> ir.Table:
    """One row for every one of `people`; who never did something has nothing there."""
    bought = sources.facts.filter(sources.facts.kind == PURCHASE)
    opened = sources.facts.filter(sources.facts.kind == OPEN)
    orders = bought.group_by("customer", "act").aggregate(at=bought["at"].min(), priced=bought.units.count() > 0)
    parts = [
        _purchases(bought),
        _orders(orders),
        _days(bought),
        _favourite(bought, sources.shelf, "category"),
        _favourite(bought, sources.shelf, "brand"),
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
    return orders.group_by("customer").aggregate(orders=orders.priced.sum().cast("int64"))


def _days(bought: ir.Table) -> ir.Table:
    days = bought.select("customer", "day").distinct()
    window = ibis.window(group_by="customer", order_by="day")
    days = days.mutate(gap=days.day.delta(days.day.lag().over(window), unit="day").cast("int64"))
    return days.group_by("customer").aggregate(
        frequency=days.count(), last_gap=days.gap.argmax(days.day), gaps=days.gap.collect(where=days.gap.notnull())
    )


def _favourite(bought: ir.Table, shelf: ir.Table, what: str) -> ir.Table:
    """Ranked by name and counted by rank, so that picking the most is one maximum of a number."""
    kinds = shelf.filter(shelf[what].notnull()).select(what).distinct()
    kinds = kinds.mutate(rank=ibis.row_number().over(ibis.window(order_by=what)))
    ranked = shelf.inner_join(kinds, what).select("product", "rank")
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


def _rhythm(done: ir.Table, sources: Sources, doing: str) -> ir.Table:
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
    """Zone and month as one value: by two, DuckDB joined every customer with every month before it looked at events."""
    if table.zone.type().is_integer():
        return table.zone * _MONTHS + table.month
    return table.month.cast("string").concat(" ", table.zone)


def _most(counted: ir.Table, doing: str) -> ir.Table:
    """1970 began on a Thursday; of equals the earliest wins because it counts for more."""
    hours = counted.group_by("customer", "hour").aggregate(times=counted.times.sum().cast("int64"))
    hours = hours.group_by("customer").aggregate(best=(hours.times * 24 + (23 - hours.hour)).max())
    days = counted.group_by("customer", "day").aggregate(times=counted.times.sum().cast("int64"))
    days = days.group_by("customer").aggregate(best=(days.times * 7 + (6 - days.day)).max())
    both = hours.select("customer", **{f"{doing}_hour": (23 - hours.best % 24).cast("int64")})
    weekdays = days.select("customer", **{f"{doing}_weekday": (7 - days.best % 7).cast("int64")})
    return both.inner_join(weekdays, "customer")


def _engagement(facts: ir.Table) -> ir.Table:
    told = facts.filter(facts.kind != PURCHASE)
    return told.group_by("customer").aggregate(
        sent=told.act.nunique(where=told.kind == SENT),
        opened=told.act.nunique(where=told.kind == OPEN),
        clicked=told.act.nunique(where=told.kind == CLICK),
    )
