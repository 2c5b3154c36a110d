"""What is compared with the whole shop: the quintiles' borders, the lifecycle's quantiles, and what is beyond usual."""

from __future__ import annotations

from datetime import UTC, datetime

import ibis
import ibis.expr.types as ir

ENOUGH = 30  # of anything, below which its quantiles say nothing
FIFTHS = (0.2, 0.4, 0.6, 0.8)
GAPS = {"at_risk_after": 0.75, "lapsed_after": 0.9, "lost_after": 0.98}
WINSORISED = (0.01, 0.99)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FENCE = 3.0  # Tukey's "far out", on the logarithm: Exploratory Data Analysis, 1977


def cuts(measures: ir.Table) -> ir.Table:
    """One row over `profiling.measures`: `r1 … r4`, `f1 …`, `m1 …`, `low`, `high`, the gaps' quantiles, the fences."""
    bought = measures.filter(measures.frequency.notnull())
    values = {"r": micros(bought.last_at), "f": bought.frequency, "m": bought.spent.fill_null(0)}
    columns = {
        f"{name}{n}": _quantile(value, share) for name, value in values.items() for n, share in enumerate(FIFTHS, 1)
    }
    low, high = (_quantile(bought.spent.fill_null(0), share) for share in WINSORISED)
    shop = bought.aggregate(
        **columns,
        low=low,
        high=high,
        **_fence("spent_fence", magnitude(bought.spent)),
        **_fence("basket_fence", magnitude(bought.spent / bought.orders)),
    )
    gaps = bought.select(gap=bought.gaps.unnest())
    times = gaps.aggregate(
        **{name: _quantile(gaps.gap, share) for name, share in GAPS.items()}, gaps_seen=gaps.gap.count()
    )
    return shop.cross_join(times)


def micros(at: ir.Value) -> ir.Value:
    """Microseconds since 1970."""
    return at.delta(ibis.literal(_EPOCH), unit="microsecond")


def magnitude(units: ir.Value) -> ir.Value:
    """The logarithm, on which amounts of money are roughly symmetric; nothing has none."""
    return units.nullif(0).cast("float64").log()


def _quantile(value: ir.Value, share: float) -> ir.Value:
    return value.cast("float64").quantile(share)


def _fence(name: str, value: ir.Value) -> dict[str, ir.Value]:
    lower, upper = value.quantile(0.25), value.quantile(0.75)
    usual = ibis.and_(value.count() >= ENOUGH, upper > lower)
    return {name: usual.ifelse(upper + _FENCE * (upper - lower), ibis.null("float64"))}
