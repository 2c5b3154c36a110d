"""How customer profiles are distributed: counts that a terminal, a page or a program can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from automation.types.plural import format_count
from automation.types.profile import STAGES
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    import ibis.expr.types as ir

_BINS = 12
_SHOWN = 10  # most frequent categories and brands
_MEASURED = {
    "recency_days": "Days since the last purchase",
    "frequency": "Days with a purchase",
    "monetary": "Spent, in the shop's currency",
    "average_basket": "Average basket, in the shop's currency",
    "lifetime_days": "Days since the first purchase",
    "discount_share": "Share of purchases on discount",
    "usual_discount": "Usual discount",
    "email_open_rate": "Share of e-mails opened",
    "email_click_rate": "Share of e-mails clicked",
}
_COUNTED = {
    "usual_hour_buying": ("Usual hour of buying, the customer's own time", range(24)),
    "usual_weekday_buying": ("Usual weekday of buying", range(1, 8)),
    "usual_hour_opening": ("Usual hour of opening e-mails", range(24)),
    "usual_weekday_opening": ("Usual weekday of opening e-mails", range(1, 8)),
    "r_quintile": ("Recency, in fifths (5 is best)", range(1, 6)),
    "f_quintile": ("Frequency, in fifths (5 is best)", range(1, 6)),
    "m_quintile": ("Money, in fifths (5 is best)", range(1, 6)),
}
_WEEKDAYS = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Distribution:
    """bars: label and customers. missing: without a value. clipped: beyond 1 % or 99 %, counted in the outer bars."""

    name: str
    title: str
    bars: Sequence[tuple[str, int]]
    missing: int = 0
    clipped: int = 0

    def to_json(self) -> dict[str, object]:
        return {
            "title": self.title,
            "bars": [{"label": label, "customers": customers} for label, customers in self.bars],
            "missing": self.missing,
            "clipped": self.clipped,
        }

    @property
    def note(self) -> str:
        """Whom the bars leave out, and whom they clip; "" where nobody is."""
        missing = f"{format_count(self.missing, 'customer')} without a value" if self.missing else ""
        clipped = f"{self.clipped:,} beyond the 1 % and 99 % quantiles, counted in the outer bars"
        return "; ".join(part for part in (missing, clipped if self.clipped else "") if part)


@dataclass(frozen=True)
class ProfileReport:
    """Every distribution as of an instant, over all customers; outliers are among them."""

    as_of: datetime
    customers: int
    outliers: int
    distributions: Sequence[Distribution]

    def to_json(self) -> dict[str, object]:
        return {
            "as_of": self.as_of,
            "customers": self.customers,
            "outliers": self.outliers,
            "distributions": {one.name: one.to_json() for one in self.distributions},
        }


def profile_report(workspace: Workspace) -> ProfileReport:
    """Profiles are read as they are; refresh them first."""
    warehouse, now = workspace.warehouse(), workspace.clock.now()
    try:
        data = snapshot(workspace, warehouse, now, with_decisions=False, versions={})
        found = warehouse.connection.create_table("profiles_now", data.profiles, temp=True, overwrite=True)
        return build_report(found, now)
    finally:
        warehouse.close()


def build_report(found: ir.Table, now: datetime) -> ProfileReport:
    every = found.aggregate(customers=found.count(), outliers=found.outlier.sum())
    totals = every.to_polars().row(0, named=True)
    made = [_stages(found), *(_measured(found, name) for name in _MEASURED)]
    made += [_listed(found, name) for name in _COUNTED]
    made += [_favourites(found, "top_category", "Favourite categories"), _favourites(found, "top_brand", "Brands")]
    return ProfileReport(now, totals["customers"], totals["outliers"] or 0, [one for one in made if one.bars])


def _counts(found: ir.Table, by: Any) -> dict[Any, int]:
    counted = found.group_by(value=by).aggregate(customers=found.count()).to_polars()
    return dict(zip(counted["value"], counted["customers"], strict=True))


def _stages(found: ir.Table) -> Distribution:
    counts = _counts(found, found.lifecycle)
    return Distribution("lifecycle", "Lifecycle", [(stage, counts.get(stage, 0)) for stage in STAGES])


def _listed(found: ir.Table, name: str) -> Distribution:
    title, values = _COUNTED[name]
    counts = _counts(found, found[name])
    labels = {n: _WEEKDAYS[n] if "weekday" in name else f"{n:02}:00" if "hour" in name else str(n) for n in values}
    bars = [(labels[n], counts.get(n, 0)) for n in values] if set(counts) - {None} else []
    return Distribution(name, title, bars, counts.get(None, 0))


def _favourites(found: ir.Table, name: str, title: str) -> Distribution:
    counts = _counts(found, found[name])
    missing = counts.pop(None, 0)
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = sum(customers for _, customers in most[_SHOWN:])
    return Distribution(name, title, [*most[:_SHOWN], *([("all others", rest)] if rest else [])], missing)


def _measured(found: ir.Table, name: str) -> Distribution:
    """Equal bins between the 1 % and 99 % quantiles; customers beyond them are counted in the outermost bins."""
    import ibis

    value = found[name].cast("float64")
    row = found.aggregate(low=value.quantile(0.01), high=value.quantile(0.99)).to_polars().row(0, named=True)
    low, high = row["low"], row["high"]
    if low is None:
        return Distribution(name, _MEASURED[name], [], 0)
    whole = found[name].type().is_integer()
    width = max(1, math.ceil((high - low + 1) / _BINS)) if whole else (high - low) / _BINS or 1.0
    low = math.floor(low) if whole else low
    place = ibis.greatest(0, ibis.least(_BINS - 1, ((value - low) / width).floor().cast("int64")))
    counts = _counts(found, found[name].notnull().ifelse(place, None))
    beyond = found.filter((value < low) | (value > high)).count().to_pyarrow().as_py()
    bins = range(_BINS if high > low else 1)
    bars = [(_between(low + n * width, low + (n + 1) * width, name, whole=whole), counts.get(n, 0)) for n in bins]
    while bars and not bars[-1][1]:
        bars.pop()
    return Distribution(name, _MEASURED[name], bars, counts.get(None, 0), beyond)


def _between(low: float, high: float, name: str, *, whole: bool) -> str:
    if whole:
        return f"{low:,.0f}" if high - low == 1 else f"{low:,.0f} to {high - 1:,.0f}"
    if name.endswith(("_share", "_rate", "_discount")):
        return f"{low:.0%} to {high:.0%}"
    return f"{low:,.3g} to {high:,.3g}" if high < 1_000 else f"{low:,.0f} to {high:,.0f}"
