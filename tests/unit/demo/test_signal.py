"""What the demo claims about the generated shop is true of it, judged by plain numpy on a time split."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from automation.demo.shop import Shop, generate

UNTIL = datetime(2026, 9, 8, tzinfo=UTC)
Array = NDArray[Any]


@pytest.fixture(scope="module", params=[1, 7, 42])
def shop(request: pytest.FixtureRequest) -> Shop:
    return generate(request.param, until=UNTIL)


def _bought(shop: Shop, since: datetime | None, until: datetime) -> Array:
    """Customers × products: how often it was bought."""
    lines = shop.events.filter(pl.col("type") == "purchase", pl.col("occurred_at") < until)
    if since is not None:
        lines = lines.filter(pl.col("occurred_at") >= since)
    rows = lines.join(shop.customers.select("customer_id").with_row_index("row"), on="customer_id")
    rows = rows.join(shop.products.select("product_id").with_row_index("column"), on="product_id")
    table = np.zeros((len(shop.customers), len(shop.products)))
    np.add.at(table, (rows["row"].to_numpy(), rows["column"].to_numpy()), 1)
    return table


def _ndcg(scores: Array, known: Array, wanted: Array) -> float:
    """NDCG@10 of what was not bought before."""
    top = np.argsort(np.where(known, np.inf, -scores), axis=1, kind="stable")[:, :10]
    discount = 1 / np.log2(np.arange(2, 12))
    gain = (np.take_along_axis(wanted, top, 1) * discount).sum(axis=1)
    ideal = np.array([discount[: min(10, count)].sum() for count in wanted.sum(axis=1)])
    return float((gain / ideal).mean())


def test_neighbours_in_taste_predict_the_next_purchases_twice_as_well_as_popularity(shop: Shop) -> None:
    cut = UNTIL - timedelta(days=120)
    before = _bought(shop, None, cut) > 0
    after = (_bought(shop, cut, UNTIL) > 0) & ~before
    tested = before.any(axis=1) & after.any(axis=1)
    taste = before.astype(float)
    similarity = taste.T @ taste / np.outer(*(np.linalg.norm(taste, axis=0) + 1e-9,) * 2)
    np.fill_diagonal(similarity, 0)
    popularity = np.tile(taste.sum(axis=0), (int(tested.sum()), 1))
    knn = _ndcg(taste[tested] @ similarity, before[tested], after[tested])
    assert tested.sum() > 500
    assert knn > 2 * _ndcg(popularity, before[tested], after[tested])


def _at(shop: Shop, cut: datetime) -> tuple[Array, Array, Array]:
    """Features of every buyer at the cut, who buys nothing in the 60 days after it, and the days since the last."""
    before = shop.events.filter(pl.col("type") == "purchase", pl.col("occurred_at") < cut)
    after = shop.events.filter(
        pl.col("type") == "purchase",
        pl.col("occurred_at") >= cut,
        pl.col("occurred_at") < cut + timedelta(days=60),
    )
    buyers = (
        before.group_by("customer_id")
        .agg(
            recency=(cut - pl.col("occurred_at").max()).dt.total_seconds() / 86_400,
            tenure=(cut - pl.col("occurred_at").min()).dt.total_seconds() / 86_400,
            days=pl.col("occurred_at").dt.date().n_unique(),
        )
        .sort("customer_id")
    )
    recency, tenure, days = (buyers[name].to_numpy() for name in ("recency", "tenure", "days"))
    gap = (tenure - recency) / np.maximum(days - 1, 1)
    features = np.log1p(np.column_stack([recency, tenure, days, gap]))
    lapsed = ~buyers["customer_id"].is_in(after["customer_id"].unique().implode()).to_numpy()
    return features, lapsed, recency


def _auc(score: Array, truth: Array) -> float:
    rank = np.empty(len(score))
    rank[np.argsort(score, kind="stable")] = np.arange(1, len(score) + 1)
    positive = truth.sum()
    return float((rank[truth].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive)))


def test_who_lapses_is_known_better_from_habits_than_from_the_last_purchase_alone(shop: Shop) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression())
    features, lapsed, _ = _at(shop, UNTIL - timedelta(days=120))
    model.fit(features, lapsed)
    features, lapsed, recency = _at(shop, UNTIL - timedelta(days=60))
    learned = _auc(model.predict_proba(features)[:, 1], lapsed)
    assert 0.7 < _auc(recency, lapsed) + 0.01 < learned < 0.9
