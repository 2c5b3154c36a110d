"""Measures to a profile: what depends on today or on the other customers is derived when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import ibis
import ibis.expr.types as ir

from automation.types.profile import PROFILE_COLUMNS, RISING, Lifecycle
from automation.warehouse.profiling.cuts import ENOUGH, FIFTHS, magnitude
from automation.warehouse.profiling.facts import UNITS, micros, seconds

Cuts = Mapping[str, ir.Value]
"""By the names in `profiling.cuts.CUTS`."""
_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_USUAL = {"at_risk_after": 90, "lapsed_after": 180, "lost_after": 365}  # days, where a shop has too few gaps of its own


def derive(found: ir.Table, cuts: Cuts, as_of: datetime, terms: Lifecycle) -> ir.Table:
    """The columns of `types.profile.PROFILE_COLUMNS` from measures that have a `customer_id`."""
    bought = found.frequency.notnull()
    spent = found.spent.fill_null(0)
    found = found.mutate(
        recency_days=_days_since(found.last_at, as_of),
        monetary=bought.ifelse(spent / float(UNITS), None),
        monetary_winsorised=bought.ifelse(
            ibis.greatest(ibis.least(spent, cuts["high"]), cuts["low"]) / float(UNITS), None
        ),
        first_purchase_at=found.first_at,
        last_purchase_at=found.last_at,
        average_basket=found.spent / (found.orders.nullif(0) * float(UNITS)),
        lifetime_days=_days_since(found.first_at, as_of),
        r_quintile=_quintile(cuts, "r", seconds(found.last_at)),
        f_quintile=_quintile(cuts, "f", found.frequency),
        m_quintile=_quintile(cuts, "m", bought.ifelse(spent, None)),
        **_affinities(found),
        outlier=_outlier(found, cuts),
    )
    rfm = ibis.literal("").concat(*(found[f"{name}_quintile"].cast("string") for name in "rfm"))
    return found.mutate(rfm=rfm, lifecycle=_stage(found, cuts, terms)).select(*PROFILE_COLUMNS)


def _affinities(found: ir.Table) -> dict[str, ir.Value]:
    return {
        "top_category": found.category,
        "top_category_share": found.category_lines / found.category_all.cast("float64"),
        "top_brand": found.brand,
        "top_brand_share": found.brand_lines / found.brand_all.cast("float64"),
        "discount_share": found.reduced / found.known.nullif(0).cast("float64"),
        "usual_discount": found.usual,
        "usual_hour_buying": found.buying_hour,
        "usual_weekday_buying": found.buying_weekday,
        "usual_hour_opening": found.opening_hour,
        "usual_weekday_opening": found.opening_weekday,
        "email_open_rate": _rate(found.opened, found.sent),
        "email_click_rate": _rate(found.clicked, found.sent),
    }


def _days_since(at: ir.Value, as_of: datetime) -> ir.Value:
    """DuckDB's own difference of instants with a zone took 450 ms for 470,000; that of whole numbers takes 5."""
    now = (as_of - _EPOCH) // timedelta(microseconds=1)
    return (now - micros(at)) / float(_DAY)


def _quintile(cuts: Cuts, name: str, value: ir.Value) -> ir.Value:
    """5 is best. Equal values share a quintile, so quintiles needn't be equally full."""
    above = [(value > cuts[f"{name}{n}"]).cast("int64") for n in range(1, len(FIFTHS) + 1)]
    return 1 + above[0] + above[1] + above[2] + above[3]


def _rate(done: ir.Value, sent: ir.Value) -> ir.Value:
    """At most 1, should more messages have been opened than the warehouse knows to have been sent."""
    return ibis.least(done, sent) / sent.nullif(0).cast("float64")


def _outlier(found: ir.Table, cuts: Cuts) -> ir.Value:
    spent = magnitude(found.spent) > cuts["spent_fence"]
    basket = magnitude(found.spent / found.orders.nullif(0)) > cuts["basket_fence"]
    return spent.fill_null(False) | basket.fill_null(False)


def _stage(found: ir.Table, cuts: Cuts, terms: Lifecycle) -> ir.Value:
    at_risk, lapsed, lost = limits(cuts, terms)
    new_for = at_risk if terms.new_for is None else ibis.literal(_days(terms.new_for))
    return ibis.cases(
        (found.frequency.isnull(), "never_bought"),
        (found.recency_days > lost, "lost"),
        (found.recency_days > lapsed, "lapsed"),
        (found.recency_days > at_risk, "at_risk"),
        (found.last_gap > lapsed, "won_back"),
        ((found.frequency == 1) & (found.lifetime_days <= new_for), "new"),
        else_="active",
    )


def limits(cuts: Cuts, terms: Lifecycle) -> list[ir.Value]:
    """at_risk_after, lapsed_after and lost_after in days: as written, or the shop's own."""
    found: list[ir.Value] = []
    for name in RISING:
        written = getattr(terms, name)
        if written is not None:
            found.append(ibis.literal(_days(written)))
            continue
        own = ibis.ifelse(cuts["gaps_seen"] >= ENOUGH, cuts[name], float(_USUAL[name]))
        found.append(ibis.greatest(own, found[-1] if found else 1.0))
    return found


def _days(duration: timedelta) -> float:
    return duration / timedelta(days=1)
