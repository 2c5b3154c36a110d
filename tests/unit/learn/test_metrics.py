from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from automation.learn.metrics import auc, auc_difference, brier, ndcg_at_k, pr_auc, recall_at_k


def test_ndcg_worked_out_by_hand() -> None:
    hits = np.array([[True, False, True], [False, False, False], [False, True, False]])
    relevant = np.array([2, 1, 5])
    second, third = 1 / np.log2(3), 1 / np.log2(4)
    expected = [(1 + third) / (1 + second), 0.0, second / (1 + second + third)]
    assert ndcg_at_k(hits, relevant) == pytest.approx(expected)


def test_recall_is_the_share_of_what_was_wanted() -> None:
    hits = np.array([[True, False, True], [False, True, False]])
    assert recall_at_k(hits, np.array([2, 5])) == pytest.approx([1.0, 0.2])


def test_auc_counts_a_tie_as_half() -> None:
    # pairs (1, 0): 0.9 > 0.1, 0.9 > 0.5, 0.5 > 0.1, and 0.5 = 0.5
    assert auc(np.array([1, 1, 0, 0]), np.array([0.9, 0.5, 0.5, 0.1])) == pytest.approx(3.5 / 4)


@pytest.mark.parametrize("places", [1, 8])
def test_agrees_with_scikit_learn(places: int) -> None:
    draws = np.random.default_rng(3)
    truth = (draws.random(500) < 0.3).astype(np.int64)
    score = np.asarray(np.round(0.3 * truth + draws.random(500) * 0.7, places), np.float64)
    assert auc(truth, score) == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert pr_auc(truth, score) == pytest.approx(average_precision_score(truth, score), abs=1e-12)
    assert brier(truth, score) == pytest.approx(brier_score_loss(truth, score), abs=1e-12)


def test_bootstrap_tells_a_better_score_from_an_equal_one() -> None:
    draws = np.random.default_rng(5)
    truth = (draws.random(800) < 0.5).astype(np.int64)
    good, bad = truth + draws.normal(0, 1, 800), truth + draws.normal(0, 3, 800)
    better = auc_difference(truth, good, bad, seed=1, rounds=300)
    assert better.low > 0
    assert better.below_zero == 0
    assert better.value == pytest.approx(auc(truth, good) - auc(truth, bad))
    same = auc_difference(truth, good, good, seed=1, rounds=50)
    assert (same.low, same.high, same.value) == (0, 0, 0)


def test_bootstrap_is_the_same_for_a_seed() -> None:
    draws = np.random.default_rng(5)
    truth = (draws.random(100) < 0.5).astype(np.int64)
    one, other = draws.random(100), draws.random(100)
    first = auc_difference(truth, one, other, seed=4, rounds=50)
    assert first == auc_difference(truth, one, other, seed=4, rounds=50)
    assert first != auc_difference(truth, one, other, seed=5, rounds=50)


def test_bootstrap_interval_agrees_with_the_known_standard_error() -> None:
    """Hanley and McNeil (1982) for one AUC: against a constant score the difference is AUC − 0.5."""
    draws = np.random.default_rng(8)
    truth = np.repeat([0, 1], 400)
    score = truth + draws.normal(0, 1.2, 800)
    found = auc_difference(truth, score, np.zeros(800), seed=1, rounds=1000)
    area = auc(truth, score)
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + 399 * (first - area**2) + 399 * (second - area**2)) / 400**2
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.12)
