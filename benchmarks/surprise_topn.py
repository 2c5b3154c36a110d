"""Top 10 for every customer of MovieLens 100K by predicted rating: Surprise's `predict` loop against ours.

Both rank the same estimates over the same trained similarities (KNNBaseline, items, pearson_baseline, 40 neighbours).
With `--quick` the loop runs over 30 customers taken at random and is extrapolated; ours always runs over all.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from measure import Measure, arguments, report, say, shared_data
from numpy.typing import NDArray

from automation_surprise.options import SurpriseKnnOptions
from automation_surprise.prediction import estimate
from automation_surprise.ratings import RATED, Ratings, build_rating_matrix
from automation_surprise.training import build_trainset, train

TOP = 10
OPTIONS = SurpriseKnnOptions(rank_by="rating")


def main() -> int:
    asked = arguments(__doc__ or "")
    ratings = read_ratings()
    learned = train(ratings, datetime(2026, 1, 1, tzinfo=UTC), OPTIONS)
    model = surprise_model(ratings)
    everybody = np.arange(len(ratings.customers))
    chosen = np.random.default_rng(1).permutation(everybody)[: 30 if asked.quick else None]
    ours: list[float] = []
    loop, worst, same = 0.0, 0.0, 0
    for part in np.array_split(chosen, 3):  # in turn, so that a busy machine slows both
        started = time.perf_counter()
        found = estimate(learned, OPTIONS, ratings.matrix, everybody, np.arange(len(ratings.products))).ratings
        tops = top(found, ratings)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        estimates, loop_tops = predict_loop(model, ratings, part)
        loop += time.perf_counter() - started
        worst = max(worst, float(np.nanmax(np.abs(estimates - found[part]))))
        same += int((np.sort(tops[part], axis=1) == np.sort(loop_tops, axis=1)).all(axis=1).sum())
    loop *= len(everybody) / len(chosen)
    vectorised = statistics.median(ours)
    rows = [
        Measure("top 10 for all customers", vectorised, "s", loop, loop / vectorised, "ratio >= 20"),
        Measure("largest error against predict", worst, "stars", target="value <= 1e-9"),
        Measure("customers with the same ten", same / len(chosen), "share"),
    ]
    return report(rows, asked.format)


def read_ratings() -> Ratings:
    folder = shared_data("movielens-100k")
    if folder is None:
        say("MovieLens 100K is not here: a synthetic set of the same size is used")
        frame = synthetic()
    else:
        columns = ["customer_id", "product_id", "rating", "rated_at"]
        frame = pl.read_csv(folder / "u.data.gz", separator="\t", has_header=False, new_columns=columns)
    frame = frame.cast({"customer_id": pl.String, "product_id": pl.String, "rating": pl.Float64})
    frame = frame.with_columns(pl.lit(RATED, dtype=pl.Int8).alias("kind"))
    return build_rating_matrix(frame, frame["customer_id"].unique().sort(), frame["product_id"].unique().sort())


def synthetic() -> pl.DataFrame:
    """943 customers, 1,682 products, 100,000 different pairs, some of both far more active than others; seeded."""
    chance = np.random.default_rng(1)
    customer = (chance.beta(0.6, 2.5, 400_000) * 943).astype(int)
    product = (chance.beta(0.6, 2.5, 400_000) * 1682).astype(int)
    frame = pl.DataFrame({"customer_id": customer, "product_id": product}).unique(maintain_order=True).head(100_000)
    stars = np.clip(np.round(chance.normal(3.5, 1.1, len(frame))), 1, 5)
    return frame.with_columns(pl.Series("rating", stars))


def surprise_model(ratings: Ratings) -> Any:
    import surprise

    asked = {"name": OPTIONS.similarity, "user_based": False, "shrinkage": OPTIONS.shrinkage}
    model = surprise.KNNBaseline(k=OPTIONS.neighbours, sim_options=asked, verbose=False)
    return model.fit(build_trainset(ratings, OPTIONS.scale))


def top(estimates: NDArray[np.float64], ratings: Ratings) -> NDArray[np.int64]:
    """The positions of the ten best that each customer has not rated; of equal ones the first."""
    scores = estimates.copy()
    scores[ratings.matrix.nonzero()] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :TOP]


def predict_loop(
    model: Any, ratings: Ratings, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What a user of Surprise writes: `predict` for every pair not yet rated (NaN elsewhere), then the ten best."""
    products = ratings.products.to_list()
    estimates = np.full((len(rows), len(products)), np.nan)
    tops = np.empty((len(rows), TOP), np.int64)
    for place, row in enumerate(rows):
        customer, own = ratings.customers[int(row)], set(ratings.matrix[[row]].indices.tolist())
        found = [(model.predict(customer, products[at]).est, at) for at in range(len(products)) if at not in own]
        estimates[place, [at for _, at in found]] = [value for value, _ in found]
        tops[place] = [at for _, at in sorted(found, key=lambda pair: (-pair[0], pair[1]))[:TOP]]
    return estimates, tops


if __name__ == "__main__":
    sys.exit(main())
