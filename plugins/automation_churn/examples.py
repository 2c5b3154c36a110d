"""Customers at a cut date: a matrix of features, and whether each customer lapsed."""

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
from automation_churn.features import FEATURES, features, known_customers, returned

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from automation_churn.options import ChurnOptions
    from automation_churn.preparation import Matrix

BATCH = 50_000
LARGEST_FIT = 200_000
"""Larger shops are sampled by a stable hash: more customers improve the fit no further, and memory stays bounded."""
LEAST_OF_EACH = 50


@dataclass(frozen=True)
class Examples:
    """raw: (customers, FEATURES), NaN where undefined; lapsed: 1 where the customer bought nothing in the window."""

    raw: Matrix
    lapsed: NDArray[np.int64]

    @property
    def recency(self) -> NDArray[np.float64]:
        """Days since the last purchase, (customers,)."""
        recency: NDArray[np.float64] = self.raw[:, FEATURES.index("recency")]
        return recency


def features_at(events: ir.Table, cut: datetime, options: ChurnOptions) -> ir.Table:
    """`features` as the options have it: customer_id and `FEATURES`, one row per known customer; lazy."""
    return features(
        events,
        cut,
        horizon=options.horizon,
        history=options.history,
        bought=options.bought,
        visited=options.visited,
    )


def examples_at(events: ir.Table, cut: datetime, options: ChurnOptions) -> Examples:
    """Everyone known at the cut, and whether they bought in the horizon after it; sorted by customer_id."""
    table = features_at(events, cut, options)
    stayed = returned(events, cut, horizon=options.horizon, bought=options.bought).mutate(returned=True)
    table = table.left_join(stayed, "customer_id").drop("customer_id_right")
    customers = known_customers(events, cut, history=options.history, bought=options.bought).to_pyarrow().as_py()
    share = LARGEST_FIT / max(customers, 1)
    batches = [_sampled(batch, share) for batch in frames(table)]
    if not batches:
        return Examples(np.empty((0, len(FEATURES))), np.empty(0, np.int64))
    frame = pl.concat(batches)
    return Examples(as_matrix(frame), frame["returned"].is_null().to_numpy().astype(np.int64))


def check_enough(found: Examples, cut: datetime, horizon: timedelta) -> None:
    """Raise `NotEnoughData` unless at least `LEAST_OF_EACH` customers lapsed and as many bought again."""
    gone = int(found.lapsed.sum())
    stayed = len(found.lapsed) - gone
    if min(gone, stayed) < LEAST_OF_EACH:
        window = f"the {horizon.days} days from {cut:%Y-%m-%d}"
        raise NotEnoughData(
            f"customers with purchases before {cut:%Y-%m-%d}, at least {LEAST_OF_EACH} who bought again in {window} "
            f"and {LEAST_OF_EACH} who did not",
            f"{stayed} who did and {gone} who did not",
        )


def frames(table: ir.Table) -> Iterator[pl.DataFrame]:
    """The table sorted by customer_id, at most 50,000 rows a frame, one frame in memory at a time.

    The snapshot's connection can't run another query until the last frame is read.
    """
    reader = table.order_by("customer_id").to_pyarrow_batches(chunk_size=BATCH)
    with warnings.catch_warnings():
        # ibis 12 calls a method that DuckDB 1.5 has deprecated, once, at the first batch.
        warnings.filterwarnings("ignore", r"fetch_record_batch\(\)", DeprecationWarning)
        first = next(reader, None)
    for batch in () if first is None else chain((first,), reader):
        yield from pl.DataFrame(batch).iter_slices(BATCH)


def as_matrix(frame: pl.DataFrame) -> Matrix:
    """The feature columns as (rows, FEATURES), float64, NaN for null."""
    matrix: Matrix = frame.select(pl.col(FEATURES).cast(pl.Float64).fill_null(np.nan)).to_numpy()
    return matrix


def _sampled(batch: pl.DataFrame, share: float) -> pl.DataFrame:
    if share >= 1:
        return batch
    return batch.filter(pl.Series(shares("churn", batch["customer_id"]) < share))
