"""Similarities in blocks, as they are computed above the memory limit, against Surprise's dense ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plugins.surprise.rating_tables import AT, as_ratings, random_table, surprise_model

from automation.errors import AutomationError, NotEnoughData
from automation_surprise import training
from automation_surprise.baselines import fit_baselines
from automation_surprise.neighbours import keep_nearest
from automation_surprise.options import SurpriseKnnOptions
from automation_surprise.ratings import Ratings
from automation_surprise.similarity import similarity_blocks
from automation_surprise.training import dense_bytes, train

TABLE = random_table(60, 40, 700)


@pytest.mark.parametrize("based_on", ["items", "users"])
@pytest.mark.parametrize("similarity", ["cosine", "msd", "pearson", "pearson_baseline"])
@pytest.mark.parametrize("rank_by", ["similarity", "rating"])
def test_blocks_keep_the_same_neighbours_as_surprise(
    based_on: Any, similarity: Any, rank_by: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All neighbours are kept, so that ties at the cut can't differ by rounding."""
    options = SurpriseKnnOptions(
        based_on=based_on, similarity=similarity, rank_by=rank_by, neighbours=60, min_support=2
    )
    ratings = as_ratings(TABLE)
    dense = train(ratings, AT, options)
    monkeypatch.setattr(training, "dense_bytes", lambda *_: 10**12)
    blocks = train(ratings, AT, options)
    np.testing.assert_allclose(blocks.neighbours.toarray(), dense.neighbours.toarray(), atol=1e-12)
    theirs = surprise_model(TABLE, options)
    wanted = in_our_order(np.maximum(theirs.sim, 0), theirs.trainset, ratings, based_on)
    np.fill_diagonal(wanted, rank_by == "rating")
    np.testing.assert_allclose(blocks.neighbours.toarray(), wanted, atol=1e-12)


def in_our_order(
    similarities: NDArray[np.float64], trainset: Any, ratings: Ratings, based_on: str
) -> NDArray[np.float64]:
    """Surprise numbers by first appearance, we by id."""
    ids, number = (ratings.customers, trainset.to_inner_uid)
    if based_on == "items":
        ids, number = (ratings.products, trainset.to_inner_iid)
    order = [number(one) for one in ids]
    return similarities[np.ix_(order, order)]


def test_above_the_memory_limit_surprise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """About 380 products: 40 × 380² bytes and more are 6 MB dense, the blocks fit into one."""

    def refuse(*_: object) -> None:
        raise AssertionError("Surprise was asked")

    ratings = as_ratings(random_table(100, 400, 3000))
    assert 5e6 < dense_bytes(len(ratings.products), ratings.matrix.nnz, "pearson_baseline") < 7e6
    wanted = train(ratings, AT, SurpriseKnnOptions()).neighbours
    monkeypatch.setattr("surprise.AlgoBase.fit", refuse)
    with pytest.raises(AssertionError, match="Surprise was asked"):
        train(ratings, AT, SurpriseKnnOptions())
    found = train(ratings, AT, SurpriseKnnOptions.model_validate({"memory_limit": "1.2 MB"})).neighbours
    np.testing.assert_allclose(found.toarray(), wanted.toarray(), atol=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_block_size_does_not_change_the_result(rows: int) -> None:
    matrix, options = as_ratings(TABLE).matrix, SurpriseKnnOptions()
    whole = keep_nearest(similarity_blocks(matrix, "cosine", options, len(TABLE)), matrix.shape[0], 5)
    parts = keep_nearest(similarity_blocks(matrix, "cosine", options, rows), matrix.shape[0], 5)
    assert (whole != parts).nnz == 0
    assert np.diff(whole.indptr).max() == 5


def test_ties_between_neighbours_are_resolved_by_position() -> None:
    """Five products that one customer rated alike: all similarities are 1, so each keeps the first two others."""
    table = {(c, p): r for c, r in (("a", 3.0), ("b", 4.0)) for p in ("p1", "p2", "p3", "p4", "p5")}
    learned = train(as_ratings(table), AT, SurpriseKnnOptions(similarity="cosine", neighbours=2))
    assert [row.nonzero()[0].tolist() for row in learned.neighbours.toarray()] == [
        [1, 2],
        [0, 2],
        [0, 1],
        [0, 1],
        [0, 1],
    ]


def test_baselines_equal_those_of_surprise() -> None:
    theirs = surprise_model(TABLE, SurpriseKnnOptions())
    ours = fit_baselines(as_ratings(TABLE).matrix)
    assert ours.mean == pytest.approx(theirs.trainset.global_mean, abs=1e-12)
    np.testing.assert_allclose(ours.users, theirs.bu, atol=1e-12)
    numbers = [theirs.trainset.to_inner_iid(product) for product in as_ratings(TABLE).products]
    np.testing.assert_allclose(ours.items, theirs.bi[numbers], atol=1e-12)


def test_co_occurrence_by_hand() -> None:
    """a has p1 p2, b has p1 p2, c has p1 p3: cos(p1, p2) = 2 / √(3·2), cos(p1, p3) = 1 / √3, cos(p2, p3) = 0."""
    table = dict.fromkeys([("a", "p1"), ("a", "p2"), ("b", "p1"), ("b", "p2"), ("c", "p1"), ("c", "p3")], 5.0)
    learned = train(as_ratings(table), AT, SurpriseKnnOptions(similarity="co_occurrence"))
    one, two = 2 / 6**0.5, 1 / 3**0.5
    np.testing.assert_allclose(learned.neighbours.toarray(), [[0, one, two], [one, 0, 0], [two, 0, 0]], atol=1e-15)


@pytest.mark.parametrize("similarity", ["cosine", "msd", "pearson", "pearson_baseline"])
@pytest.mark.parametrize("rank_by", ["similarity", "rating"])
def test_equal_ratings_fall_back_to_co_occurrence(similarity: Any, rank_by: Any) -> None:
    table = dict.fromkeys(TABLE, 3.5)
    learned = train(as_ratings(table), AT, SurpriseKnnOptions(similarity=similarity, rank_by=rank_by))
    wanted = train(as_ratings(TABLE), AT, SurpriseKnnOptions(similarity="co_occurrence"))
    assert (learned.similarity, learned.rank_by) == ("co_occurrence", "similarity")
    assert (learned.neighbours != wanted.neighbours).nnz == 0


def test_similarity_is_zero_where_surprise_divides_by_zero() -> None:
    """Two products that only got zeros have no cosine: Surprise stops, we leave that pair out."""
    table = {("a", "p1"): 0.0, ("a", "p2"): 0.0, ("b", "p2"): 3.0, ("b", "p3"): 4.0}
    options = SurpriseKnnOptions(similarity="cosine", scale=(0.0, 5.0))
    with pytest.raises(ZeroDivisionError):
        surprise_model(table, options)
    learned = train(as_ratings(table), AT, options)
    np.testing.assert_allclose(learned.neighbours.toarray(), [[0, 0, 0], [0, 0, 1], [0, 1, 0]])


def test_a_memory_limit_that_is_too_small_is_refused() -> None:
    """100 bytes × 489 ratings + 40 × 37² for what is kept + 64 × 37 for one row = 106,028."""
    options = SurpriseKnnOptions.model_validate({"memory_limit": "20 KB"})
    with pytest.raises(AutomationError) as refused:
        train(as_ratings(TABLE), AT, options)
    assert str(refused.value) == (
        "surprise_knn needs at least 106.0KB for 37 items and 489 ratings, but memory_limit is 20.0KB; "
        "raise memory_limit, or set in_the_last to train on fewer events"
    )


def test_one_customer_is_not_enough() -> None:
    with pytest.raises(NotEnoughData) as refused:
        train(as_ratings({("a", "p1"): 3.0, ("a", "p2"): 4.0}), AT, SurpriseKnnOptions())
    assert str(refused.value) == (
        "not enough data: needs 2 customers who rated, bought or looked at something, and 2 such products, has 1 and 2"
    )
