"""Our vectorised estimates against Surprise's own `predict`, pair by pair."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plugins.surprise.rating_tables import (
    AT,
    Table,
    as_events,
    as_ratings,
    random_table,
    rating_tables,
    surprise_model,
)

from automation.errors import AutomationError
from automation.testing.toy_shop import toy_snapshot
from automation_surprise import prediction
from automation_surprise.options import SurpriseKnnOptions
from automation_surprise.prediction import estimate
from automation_surprise.ratings import Ratings
from automation_surprise.recommender import SurpriseKnn
from automation_surprise.training import train

ALGORITHMS = ("KNNBasic", "KNNWithMeans", "KNNBaseline")
SIMILARITIES = ("cosine", "msd", "pearson", "pearson_baseline")
VARIANTS = [
    {"algorithm": algorithm, "based_on": based_on, "similarity": similarity, "rank_by": "rating"}
    for algorithm, based_on, similarity in itertools.product(ALGORITHMS, ("items", "users"), SIMILARITIES)
]
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(list(v.values())[:3]))


def largest_difference(table: Table, options: SurpriseKnnOptions) -> float:
    """Over all pairs of known customers and products."""
    try:
        theirs = surprise_model(table, options)
    except ZeroDivisionError:  # two ratings that the baselines meet exactly: there is nothing to compare with
        hypothesis.reject()
    ratings: Ratings = as_ratings(table)
    rows, columns = (np.arange(size) for size in ratings.matrix.shape)
    found = estimate(train(ratings, AT, options), options, ratings.matrix, rows, columns).ratings
    wanted = np.array([[theirs.predict(c, p).est for p in ratings.products] for c in ratings.customers])
    return float(np.abs(found - wanted).max())


@each_variant
@settings(max_examples=40, deadline=None)
@given(table=rating_tables(), neighbours=st.sampled_from([1, 2, 3, 40]), support=st.sampled_from([1, 2]))
def test_every_pair_equals_surprise(variant: dict[str, Any], table: Table, neighbours: int, support: int) -> None:
    options = SurpriseKnnOptions(**variant, neighbours=neighbours, min_neighbours=support, min_support=support)
    assert largest_difference(table, options) <= 1e-9


@each_variant
@pytest.mark.parametrize("cells", [200, 1_000_000])
def test_blocks_of_any_size_equal_surprise(
    variant: dict[str, Any], cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "_CELLS", cells)
    options = SurpriseKnnOptions(**variant, neighbours=5)
    assert largest_difference(random_table(60, 40, 700), options) <= 1e-9


@each_variant
def test_unknown_customers_get_the_fallbacks_of_surprise(variant: dict[str, Any]) -> None:
    table, options = random_table(12, 9, 60), SurpriseKnnOptions(**variant, neighbours=3, min_neighbours=2)
    model, theirs = SurpriseKnn(options), surprise_model(table, options)
    events = as_events(table)
    model.fit(toy_snapshot(AT, events=events), seed=1, parts={})
    customers = pl.Series(["nobody", *sorted({c for c, _ in table})])
    products = pl.Series([*sorted({p for _, p in table}), "nothing"])
    found = model.estimates(customers, events, products)
    wanted = np.array([[theirs.predict(c, p).est for p in products] for c in customers])
    assert np.abs(found - wanted).max() <= 1e-9


def test_a_model_that_ranks_by_similarity_predicts_no_ratings() -> None:
    model, events = SurpriseKnn(SurpriseKnnOptions()), as_events(random_table(12, 9, 60))
    model.fit(toy_snapshot(AT, events=events), seed=1, parts={})
    with pytest.raises(AutomationError, match="train it with rank_by: rating"):
        model.estimates(pl.Series(["c001"]), events, pl.Series(["p001"]))
