"""Training examples: the features of customers at a cut date, and whether each customer lapsed afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from automation.errors import NotEnoughData
from automation.ids import shares
from automation_churn.features import FEATURES, compute_features, count_customers, find_buyers

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from automation_churn.options import ChurnOptions
    from automation_churn.preprocessing import Matrix

BATCH = 50_000
LARGEST_FIT = 200_000
"""Customers of a larger shop are sampled by a stable hash: more don't improve the model, and memory stays bounded."""
MIN_PER_CLASS = 50


@dataclass(frozen=True)
class Examples:
    """raw: (customers, FEATURES), NaN if undefined; lapsed: 1 if the customer bought nothing in the window, else 0."""

    raw: Matrix
    lapsed: NDArray[np.int64]

    @property
    def recency(self) -> NDArray[np.float64]:
        """Days since the last purchase, (customers,)."""
        recency: NDArray[np.float64] = self.raw[:, FEATURES.index("recency")]
        return recency


def features_at(events: ir.Table, cut: datetime, options: ChurnOptions) -> ir.Table:
    """`compute_features` with the given options: customer_id and `FEATURES`, one row per known customer; lazy."""
    return compute_features(
        events,
        cut,
        horizon=options.horizon,
        history=options.history,
        bought=options.bought,
        visited=options.visited,
    )


def examples_at(events: ir.Table, cut: datetime, options: ChurnOptions) -> Examples:
    """All customers known at the cut, and whether they bought in the horizon after it; sorted by customer_id."""
    table = features_at(events, cut, options)
    buyers = find_buyers(events, cut, horizon=options.horizon, bought=options.bought).mutate(bought_again=True)
    table = table.left_join(buyers, "customer_id").drop("customer_id_right")
    customers = count_customers(events, cut, history=options.history, bought=options.bought).to_pyarrow().as_py()
    share = LARGEST_FIT / max(customers, 1)
    batches = [_sample(batch, share) for batch in read_frames(table)]
    if not batches:
        return Examples(np.empty((0, len(FEATURES))), np.empty(0, np.int64))
    frame = pl.concat(batches)
    return Examples(to_matrix(frame), frame["bought_again"].is_null().to_numpy().astype(np.int64))


def check_enough(examples: Examples, cut: datetime, horizon: timedelta) -> None:
    """Raises `NotEnoughData` unless at least `MIN_PER_CLASS` customers lapsed and at least as many bought again."""
    lapsed = int(examples.lapsed.sum())
    stayed = len(examples.lapsed) - lapsed
    if min(lapsed, stayed) < MIN_PER_CLASS:
        window = f"the {horizon.days} days from {cut:%Y-%m-%d}"
        raise NotEnoughData(
            f"customers with purchases before {cut:%Y-%m-%d}, at least {MIN_PER_CLASS} who bought again in {window} "
            f"and {MIN_PER_CLASS} who did not",
            f"{stayed} who did and {lapsed} who did not",
        )


def read_frames(table: ir.Table) -> Iterator[pl.DataFrame]:
    """The table sorted by customer_id, in frames of at most 50,000 rows; only one frame is in memory at a time.

    The snapshot's connection can't run another query before the last frame is read.
    """
    reader = table.order_by("customer_id").to_pyarrow_batches(chunk_size=BATCH)
    with warnings.catch_warnings():
        # ibis 12 calls a method that DuckDB 1.5 deprecates, once, for the first batch.
        warnings.filterwarnings("ignore", r"fetch_record_batch\(\)", DeprecationWarning)
        first = next(reader, None)
    for batch in () if first is None else chain((first,), reader):
        yield from pl.DataFrame(batch).iter_slices(BATCH)


def to_matrix(frame: pl.DataFrame) -> Matrix:
    """The feature columns as (rows, FEATURES), float64, NaN for null."""
    matrix: Matrix = frame.select(pl.col(FEATURES).cast(pl.Float64).fill_null(np.nan)).to_numpy()
    return matrix


def _sample(batch: pl.DataFrame, share: float) -> pl.DataFrame:
    if share >= 1:
        return batch
    return batch.filter(pl.Series(shares("churn", batch["customer_id"]) < share))
