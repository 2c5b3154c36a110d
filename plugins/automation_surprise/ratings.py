"""Customers' ratings of products: explicit ones, and ones derived from events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import scipy.sparse as sp

from automation_surprise.options import SurpriseKnnOptions

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from automation.contracts import Snapshot

BOUGHT, RATED, LOOKED_AT = 0, 1, 2


@dataclass(frozen=True)
class Ratings:
    """customers, products: String, sorted; matrix: CSR Float64 (customers × products), columns of a row ascending.

    kinds: Int8, parallel to matrix.data: what the customer did with the product (BOUGHT, RATED, LOOKED_AT).
    """

    customers: pl.Series
    products: pl.Series
    matrix: sp.csr_array
    kinds: np.ndarray[tuple[int], np.dtype[np.int8]]

    @property
    def has_signal(self) -> bool:
        """Whether any two ratings differ; otherwise similarities of ratings are meaningless."""
        return bool(np.ptp(self.matrix.data) > 0) if self.matrix.nnz else False


def read_ratings(data: Snapshot, options: SurpriseKnnOptions) -> Ratings:
    """The shop's ratings, from one aggregation in the warehouse to one row per customer and product."""
    grouped: pl.DataFrame = _aggregate(data.events, data.as_of, options).to_polars()
    frame = derive_ratings(grouped, options)
    return build_rating_matrix(frame, frame["customer_id"].unique().sort(), frame["product_id"].unique().sort())


def rate_history(history: pl.DataFrame, as_of: datetime, options: SurpriseKnnOptions) -> pl.DataFrame:
    """The ratings of a batch's events: customer_id, product_id, rating Float64, kind Int8, sorted by both ids."""
    kind, amount = pl.col("type"), pl.col("amount")
    events = history.filter(kind.is_in(_types(options)), pl.col("product_id").is_not_null())
    if options.in_the_last is not None:
        events = events.filter(pl.col("occurred_at") >= as_of - options.in_the_last)
    weight = kind.replace_strict(dict(options.weights), default=0.0, return_dtype=pl.Float64)
    explicit = (kind == "rating") & amount.is_not_null()
    grouped = events.group_by("customer_id", "product_id").agg(
        weight.sum().alias("points"),
        (kind == "purchase").any().alias("bought"),
        amount.filter(explicit)
        .sort_by(pl.col("occurred_at").filter(explicit), amount.filter(explicit))
        .last()
        .alias("explicit"),
    )
    return derive_ratings(grouped, options)


def _aggregate(events: ir.Table, as_of: datetime, options: SurpriseKnnOptions) -> ir.Table:
    import ibis

    events = events.filter(events.type.isin(_types(options)), events.product_id.notnull())
    if options.in_the_last is not None:
        events = events.filter(events.occurred_at >= ibis.literal(as_of - options.in_the_last))
    points = ibis.literal(0.0)
    for name, weight in options.weights.items():
        points = points + ibis.ifelse(events.type == name, float(weight), 0.0)
    explicit = (events.type == "rating") & events.amount.notnull()
    return events.group_by("customer_id", "product_id").aggregate(
        points=points.sum(),
        bought=(events.type == "purchase").any(),
        explicit=events.amount.last(where=explicit, order_by=[events.occurred_at, events.amount]),
    )


def _types(options: SurpriseKnnOptions) -> list[str]:
    return ["rating"] if options.ratings == "explicit" else ["rating", *options.weights]


def derive_ratings(grouped: pl.DataFrame, options: SurpriseKnnOptions) -> pl.DataFrame:
    """Ratings within the scale from points and explicit ratings; the rule is in `SurpriseKnnOptions`."""
    low, high = options.scale
    derived = ((low + pl.col("points").clip(1.0).log(2.0)) * 2.0).round() / 2.0
    explicit = pl.when(pl.col("explicit").is_finite()).then(pl.col("explicit"))
    kind = pl.when("bought").then(BOUGHT).when(explicit.is_not_null()).then(RATED).otherwise(LOOKED_AT)
    return (
        grouped.filter((pl.col("points") > 0) | explicit.is_not_null())
        .select(
            "customer_id",
            "product_id",
            pl.coalesce(explicit, derived).clip(low, high).alias("rating"),
            kind.cast(pl.Int8).alias("kind"),
        )
        .sort("customer_id", "product_id")
    )


def build_rating_matrix(frame: pl.DataFrame, customers: pl.Series, products: pl.Series) -> Ratings:
    """A rating matrix over the given ids (sorted, unique). Rows of other customers or products are ignored."""
    rows = find_positions(frame["customer_id"], customers)
    columns = find_positions(frame["product_id"], products)
    known = (rows >= 0) & (columns >= 0)
    rows, columns = rows[known], columns[known]
    counts = np.bincount(rows, minlength=len(customers))
    pointers = np.concatenate([[0], np.cumsum(counts)])
    order = np.lexsort((columns, rows))
    matrix = sp.csr_array(
        (frame["rating"].to_numpy()[known][order], columns[order], pointers), shape=(len(customers), len(products))
    )
    return Ratings(customers, products, matrix, frame["kind"].to_numpy()[known][order])


def find_positions(ids: pl.Series, among: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The position of each id in `among` (unique), -1 if it is missing."""
    table = pl.DataFrame({"id": among, "position": np.arange(len(among), dtype=np.int64)})
    joined = pl.DataFrame({"id": ids}).join(table, on="id", how="left", maintain_order="left")
    return joined["position"].fill_null(-1).to_numpy()


def build_pair_matrix(frame: pl.DataFrame, customers: pl.Series, products: pl.Series) -> sp.csr_array:
    """A matrix with 1 for each pair of customer_id and product_id. Pairs of other ids are ignored."""
    rows, columns = find_positions(frame["customer_id"], customers), find_positions(frame["product_id"], products)
    known = (rows >= 0) & (columns >= 0)
    entries = (np.ones(int(known.sum())), (rows[known], columns[known]))
    return sp.csr_array(entries, shape=(len(customers), len(products)))
