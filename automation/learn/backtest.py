"""Backtest of a recommender: fitted as of an earlier day, and judged by what its customers did next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import ibis
import numpy as np
import polars as pl

from automation.contracts.answers import check_recommendations
from automation.errors import NotEnoughData
from automation.event_types import PURCHASE, RATING
from automation.ids import stable_hash
from automation.learn.metrics import ndcg_at_k, recall_at_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automation.contracts import Model, Recommender, Snapshot

K = 10
BATCH = 1_000
LEAST_CUSTOMERS = 20


@dataclass(frozen=True)
class BacktestSettings:
    """What the recommender must predict: the products of `wanted` events within `horizon`.

    repeats: whether products that the customer had before count. most_customers: if there are more, a stable hash
    draws a sample.
    """

    horizon: timedelta = timedelta(days=30)
    wanted: Sequence[str] = (PURCHASE, RATING)
    repeats: bool = False
    most_customers: int = 5_000


def backtest(
    make: Callable[[], Recommender],
    snapshot_at: Callable[[datetime], Snapshot],
    as_of: datetime,
    *,
    seed: int,
    parts: Mapping[str, Model],
    settings: BacktestSettings | None = None,
) -> dict[str, float]:
    """NDCG@10 and recall@10 of `make()`, fitted one horizon before `as_of`, and of the most popular products.

    The test customers are those with events of known products both before and after the cut. `quality` and `baseline`
    are the two NDCGs. Raises `NotEnoughData`.
    """
    settings = settings or BacktestSettings()
    cut = as_of - settings.horizon
    before = snapshot_at(cut)
    truth, known = _truth(before, snapshot_at(as_of), cut, settings)
    recommender = make()
    recommender.fit(before, seed=seed, parts=parts)
    ours, counter, shown = [], [], set[str]()
    for batch in _batches(truth):
        history = _history(before, batch)
        blocked = _blocked(history, settings)
        customers = batch["customer_id"].unique(maintain_order=True)
        allowed = known["product_id"]
        answer = recommender.recommend(customers, history, k=K, allowed=allowed, blocked=blocked)
        check_recommendations(answer, "the recommender", customers, k=K, allowed=allowed, blocked=blocked)
        found = _ranked(answer)
        shown |= set(found["product_id"])
        ours.append(_judge(found, batch))
        counter.append(_judge(_most_popular(known, batch, blocked), batch))
    return _metrics(np.vstack(ours), np.vstack(counter), len(shown) / len(known))


def _truth(
    before: Snapshot, after: Snapshot, cut: datetime, settings: BacktestSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The pairs to predict (customer_id, product_id), and the known products with their popularity."""
    past = _pairs(before.events, settings)
    known = past.group_by("product_id").aggregate(customers=past.count())
    next_ = _pairs(after.events.filter(after.events.occurred_at >= ibis.literal(cut)), settings)
    pairs, people = next_.to_polars(), past.select("customer_id").distinct().to_polars()
    popular: pl.DataFrame = known.to_polars().sort(["customers", "product_id"], descending=[True, False])
    pairs = pairs.join(people, on="customer_id", how="semi").join(popular, on="product_id", how="semi")
    if not settings.repeats:
        pairs = pairs.join(past.to_polars(), on=["customer_id", "product_id"], how="anti")
    customers = pairs["customer_id"].n_unique()
    if customers < LEAST_CUSTOMERS:
        raise NotEnoughData(
            f"{LEAST_CUSTOMERS} customers with an event before {cut:%Y-%m-%d} and one of a new known product since",
            f"{customers}",
        )
    return _sampled(pairs, settings.most_customers).sort("customer_id", "product_id"), popular


def _pairs(events: ibis.expr.types.Table, settings: BacktestSettings) -> ibis.expr.types.Table:
    wanted = events.filter(events.type.isin(list(settings.wanted)), events.product_id.notnull())
    return wanted.select("customer_id", "product_id").distinct()


def _sampled(pairs: pl.DataFrame, most: int) -> pl.DataFrame:
    people = pairs.select(pl.col("customer_id").unique())
    order = pl.Series("order", stable_hash("backtest", people["customer_id"]), dtype=pl.UInt64)
    return pairs.join(people.with_columns(order).sort("order").head(most), on="customer_id", how="semi")


def _batches(truth: pl.DataFrame) -> Iterator[pl.DataFrame]:
    people = truth.select(pl.col("customer_id").unique(maintain_order=True))
    for part in people.iter_slices(BATCH):
        yield truth.join(part, on="customer_id", how="semi", maintain_order="left")


def _history(before: Snapshot, batch: pl.DataFrame) -> pl.DataFrame:
    people = batch["customer_id"].unique().to_list()
    events = before.events.filter(before.events.customer_id.isin(people), before.events.product_id.notnull())
    columns = ("customer_id", "product_id", "type", "occurred_at", "amount")
    history: pl.DataFrame = events.select(*columns).to_polars()
    return history.sort(*columns)


def _blocked(history: pl.DataFrame, settings: BacktestSettings) -> pl.DataFrame:
    had = history.filter(pl.col("type").is_in(list(settings.wanted))).select("customer_id", "product_id").unique()
    return had.clear() if settings.repeats else had


def _ranked(found: pl.DataFrame) -> pl.DataFrame:
    """customer_id, product_id, place (0 to K − 1), in the core's order."""
    ordered = found.sort(["customer_id", "score", "product_id"], descending=[False, True, False])
    placed = ordered.with_columns(place=pl.int_range(pl.len()).over("customer_id"))
    return placed.filter(pl.col("place") < K).select("customer_id", "product_id", "place")


def _most_popular(known: pl.DataFrame, batch: pl.DataFrame, blocked: pl.DataFrame) -> pl.DataFrame:
    """The K most popular products that each customer may be shown."""
    longest = K + int(blocked.group_by("customer_id").len()["len"].max() or 0)  # type: ignore[arg-type]
    people = batch.select(pl.col("customer_id").unique(maintain_order=True))
    pairs = people.join(known.head(longest).with_row_index("rank"), how="cross")
    pairs = pairs.join(blocked, on=["customer_id", "product_id"], how="anti")
    return _ranked(pairs.with_columns(score=-pl.col("rank").cast(pl.Float64)))


def _judge(found: pl.DataFrame, batch: pl.DataFrame) -> NDArray[np.float64]:
    """NDCG and recall, (customers of the batch, 2)."""
    people = batch.group_by("customer_id", maintain_order=True).len("wanted").with_row_index("row")
    hits = np.zeros((len(people), K), np.bool_)
    right = found.join(batch, on=["customer_id", "product_id"], how="semi").join(people, on="customer_id")
    hits[right["row"].to_numpy(), right["place"].to_numpy()] = True
    relevant = people["wanted"].to_numpy().astype(np.int64)
    return np.column_stack([ndcg_at_k(hits, relevant), recall_at_k(hits, relevant)])


def _metrics(ours: NDArray[np.float64], counter: NDArray[np.float64], coverage: float) -> dict[str, float]:
    (ndcg, recall), (counted_ndcg, counted_recall) = ours.mean(axis=0), counter.mean(axis=0)
    return {
        "quality": float(ndcg),
        "baseline": float(counted_ndcg),
        "ndcg_at_10": float(ndcg),
        "recall_at_10": float(recall),
        "popular_ndcg_at_10": float(counted_ndcg),
        "popular_recall_at_10": float(counted_recall),
        "coverage": coverage,
        "customers": float(len(ours)),
    }
