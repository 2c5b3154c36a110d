"""Cut points over all customers: the borders of quintiles, the lifecycle's quantiles, the limits for outliers."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from automation.warehouse.profiling.facts import seconds

ENOUGH = 30  # values; quantiles of fewer mean nothing
FIFTHS = (0.2, 0.4, 0.6, 0.8)
GAPS = {"at_risk_after": 0.75, "lapsed_after": 0.9, "lost_after": 0.98}
WINSORISED = (0.01, 0.99)
CUT_POINTS = (
    *(f"{name}{n}" for name in "rfm" for n in range(1, len(FIFTHS) + 1)),
    *("low", "high", "spent_fence", "basket_fence", *GAPS, "gaps_seen"),
)
_QUARTERS = (0.25, 0.75)
_FENCE = 3.0  # Tukey's "far out", on the logarithm: Exploratory Data Analysis, 1977


def compute_cut_points(measures: ir.Table) -> ir.Table:
    """One row computed from `profiling.measures`, with the columns of `CUT_POINTS`."""
    bought = measures.filter(measures.frequency.notnull())
    spent = bought.spent.fill_null(0)
    found = bought.aggregate(
        r=_quantiles(seconds(bought.last_at), FIFTHS),
        f=_quantiles(bought.frequency, FIFTHS),
        m=_quantiles(spent, (*FIFTHS, *WINSORISED)),
        spent_fence=_quantiles(log_amount(bought.spent), _QUARTERS),
        spent_known=log_amount(bought.spent).count(),
        basket_fence=_quantiles(log_amount(bought.spent / bought.orders), _QUARTERS),
        basket_known=log_amount(bought.spent / bought.orders).count(),
    )
    gaps = bought.select(gap=bought.gaps.unnest())
    times = gaps.aggregate(gap=_quantiles(gaps.gap, tuple(GAPS.values())), gaps_seen=gaps.gap.count())
    row = found.cross_join(times)
    return row.select(
        **{f"{name}{n + 1}": _exactly(row[name][n], 5) for name in "rfm" for n in range(len(FIFTHS))},
        low=_exactly(row.m[len(FIFTHS)], 100),
        high=_exactly(row.m[len(FIFTHS) + 1], 100),
        spent_fence=_fence(row.spent_fence, row.spent_known),
        basket_fence=_fence(row.basket_fence, row.basket_known),
        **{name: _exactly(row.gap[n], 100) for n, name in enumerate(GAPS)},
        gaps_seen=row.gaps_seen,
    )


def log_amount(units: ir.Value) -> ir.Value:
    """The logarithm, which makes amounts of money roughly symmetric; null for 0 and negative amounts."""
    return (units > 0).ifelse(units, None).cast("float64").log()


def _quantiles(value: ir.Value, shares: tuple[float, ...]) -> ir.Value:
    """All quantiles in one pass, as an array; null for an empty table."""
    return value.cast("float64").quantile(list(shares))


def _exactly(value: ir.Value, parts: int) -> ir.Value:
    """Round away the float error: an interpolated quantile of whole numbers is a multiple of 1 / `parts`."""
    return (value * parts).round() / float(parts)


def _fence(quartiles: ir.Value, known: ir.Value) -> ir.Value:
    lower, upper = quartiles[0], quartiles[1]
    usual = (known >= ENOUGH) & (upper > lower)
    return usual.ifelse(upper + _FENCE * (upper - lower), ibis.null("float64"))
