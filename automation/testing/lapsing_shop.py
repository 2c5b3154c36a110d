"""A made-up shop of a few hundred customers, large enough to learn from, in which recency alone misleads."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from automation.testing.toy_shop import toy_customers, toy_events, toy_snapshot

if TYPE_CHECKING:
    import polars as pl

    from automation.contracts import Snapshot

LAPSING_AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
_DAYS = 400


def lapsing_shop(customers: int = 400, *, seed: int = 7) -> Snapshot:
    """The shop as of `LAPSING_AS_OF`: purchases over 400 days, the same for the same seed.

    Half of the customers (even numbers) buy about every 8 days, half about every 40; each stops for good on some day
    that is often after the end. 20 days of silence mean nothing in a slow customer and the end in a fast one: that is
    what a model can learn and recency alone can't.
    """
    import polars as pl

    events = lapsing_events(customers, seed=seed)
    people = events.select(pl.col("customer_id").unique(maintain_order=True))
    everyone = pl.concat([toy_customers().clear(), people], how="diagonal")
    return toy_snapshot(LAPSING_AS_OF, customers=everyone, events=events)


def empty_shop() -> Snapshot:
    """The same tables without a row."""
    return toy_snapshot(LAPSING_AS_OF, customers=toy_customers().clear(), events=toy_events().clear())


def lapsing_events(customers: int, *, seed: int, longest: float = 500) -> pl.DataFrame:
    """The purchases, one line each, as `types.schema.EVENTS`: c0000 … in order of customer and time.

    longest: the most days between a customer's first purchase and the day on which they stop; all are equally likely.
    """
    import numpy as np
    import polars as pl

    draws = np.random.default_rng(seed)
    usual = np.where(np.arange(customers) % 2 == 0, 8.0, 40.0)
    start = draws.uniform(0, 150, customers)
    stop = start + draws.uniform(1, longest, customers)
    gaps = usual[:, None] * draws.gamma(16.0, 1 / 16.0, (customers, 60))
    at = start[:, None] + np.cumsum(gaps, axis=1) - gaps[:, :1]
    bought = (at < np.minimum(stop, _DAYS)[:, None]) | (np.arange(60) == 0)
    who, _ = np.nonzero(bought)
    amount = np.round(draws.gamma(4.0, 10.0, len(who)), 2)
    lines = pl.DataFrame({"who": who, "line": np.arange(len(who)), "amount": amount, "day": at[bought] - _DAYS})
    made = lines.select(
        event_id="e" + pl.col("line").cast(pl.String).str.zfill(6),
        customer_id="c" + pl.col("who").cast(pl.String).str.zfill(4),
        type=pl.lit("purchase"),
        occurred_at=pl.lit(LAPSING_AS_OF) + pl.duration(seconds=pl.col("day") * 86_400),
        product_id="p" + (pl.col("line") % 6 + 1).cast(pl.String),
        order_id="o" + pl.col("line").cast(pl.String).str.zfill(6),
        quantity=pl.lit(1.0),
        amount=pl.col("amount"),
        currency=pl.lit("EUR"),
    )
    return pl.concat([toy_events().clear(), made], how="diagonal")
