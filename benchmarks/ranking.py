"""How well recommenders rank what customers do next: MovieLens 100K, a temporal split per customer.

Each customer's ratings are ordered by (timestamp, item); the last max(1, floor(0.2 n)) are the test set, whatever their
value. Candidates are the items seen in training less the customer's own. NDCG@10 with binary gain and the ideal over
min(10, |test|); recall@10; means over the 943 customers; coverage: the share of items that anybody was shown.
Everything goes through a warehouse's snapshot, `fit` and `recommend`, as in a campaign. `--quick` is the same size.
"""

from __future__ import annotations

import math
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from measure import Measure, arguments, report, say, shared_data

from automation.contracts import Recommender
from automation.warehouse.embedded import open_warehouse
from automation_popular.recommender import Popular, PopularOptions
from automation_surprise.options import SurpriseKnnOptions
from automation_surprise.recommender import SurpriseKnn

TOP = 10
AS_OF = datetime(1999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Quality:
    ndcg: float
    recall: float
    coverage: float


def main() -> int:
    asked = arguments(__doc__ or "")
    folder = shared_data("movielens-100k", "u.data.gz")
    if folder is None:
        say("MovieLens 100K is not here, and no made-up set can stand in for it: nothing was measured")
        return 0
    train, test = split(read_ratings(folder))
    popular = judge(Popular(PopularOptions(weights={"rating": 1.0}, in_the_last="10000d")), train, test)
    knn = judge(SurpriseKnn(SurpriseKnnOptions()), train, test)
    users = judge(SurpriseKnn(SurpriseKnnOptions(based_on="users")), train, test)
    rating = judge(SurpriseKnn(SurpriseKnnOptions(rank_by="rating")), train, test)
    return report(
        [
            _line("popular, NDCG@10", popular.ndcg, 0.1111),
            _line("surprise_knn at its defaults, NDCG@10", knn.ndcg, popular.ndcg, "value >= 0.165"),
            _line("surprise_knn at its defaults, recall@10", knn.recall, popular.recall),
            _line("surprise_knn at its defaults, coverage", knn.coverage, popular.coverage),
            _line("surprise_knn based on users, NDCG@10", users.ndcg, popular.ndcg),
            _line("surprise_knn ranked by rating, NDCG@10", rating.ndcg, popular.ndcg),
        ],
        asked.format,
    )


def read_ratings(file: Path) -> pl.DataFrame:
    """customer_id, product_id, rating, at: as MovieLens gives them, ordered by customer, time and item."""
    columns = ["customer_id", "product_id", "rating", "at"]
    return pl.read_csv(file, separator="\t", has_header=False, new_columns=columns).sort(
        "customer_id", "at", "product_id"
    )


def split(ratings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Train and test events with the warehouse's columns."""
    count, place = pl.len().over("customer_id"), pl.int_range(pl.len()).over("customer_id")
    is_test = place >= count - pl.max_horizontal(1, (count * 0.2).floor().cast(pl.Int64))
    events = ratings.select(
        pl.format("{}-{}", "customer_id", "product_id").alias("event_id"),
        pl.col("customer_id").cast(pl.String),
        pl.lit("rating").alias("type"),
        pl.from_epoch("at", time_unit="s").dt.cast_time_unit("us").dt.replace_time_zone("UTC").alias("occurred_at"),
        pl.col("product_id").cast(pl.String),
        pl.col("rating").cast(pl.Float64).alias("amount"),
        is_test.alias("is_test"),
    )
    return events.filter(~pl.col("is_test")).drop("is_test"), events.filter("is_test").drop("is_test")


def judge(model: Recommender, train: pl.DataFrame, test: pl.DataFrame) -> Quality:
    with tempfile.TemporaryDirectory() as folder:
        warehouse = open_warehouse(Path(folder))
        warehouse.append_events(train)
        model.fit(warehouse.snapshot(AS_OF), seed=1, parts={})
        warehouse.close()
    customers, products = (train[name].unique().sort() for name in ("customer_id", "product_id"))
    history = train.select("customer_id", "product_id", "type", "occurred_at", "amount")
    own = train.select("customer_id", "product_id")
    shown = model.recommend(customers, history, k=TOP, allowed=products, blocked=own)
    return _quality(shown, test.select("customer_id", "product_id"), len(products))


def _quality(shown: pl.DataFrame, test: pl.DataFrame, products: int) -> Quality:
    place = pl.int_range(1, pl.len() + 1).over("customer_id")
    gain = 1.0 / (pl.col("place") + 1).log(2.0)
    hits = (
        shown.sort("customer_id", -pl.col("score"), "product_id")
        .with_columns(place=place)
        .join(test, on=["customer_id", "product_id"])
        .group_by("customer_id")
        .agg(gain.sum().alias("gained"), pl.len().alias("hits"))
    )
    ideal = pl.Series([math.fsum(1 / math.log2(n + 1) for n in range(1, most + 1)) for most in range(TOP + 1)])
    judged = (
        test.group_by("customer_id")
        .len()
        .join(hits, on="customer_id", how="left")
        .select(
            (pl.col("gained").fill_null(0) / pl.lit(ideal).gather(pl.col("len").clip(upper_bound=TOP))).alias("ndcg"),
            (pl.col("hits").fill_null(0) / pl.col("len")).alias("recall"),
        )
    )
    ndcg, recall = (float(judged[name].to_numpy().mean()) for name in ("ndcg", "recall"))
    return Quality(ndcg, recall, shown["product_id"].n_unique() / products)


def _line(measure: str, value: float, baseline: float, target: str = "") -> Measure:
    return Measure(measure, value, "share", baseline, value / baseline, target)


if __name__ == "__main__":
    sys.exit(main())
