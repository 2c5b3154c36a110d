"""Metrics of rankings and probabilities. Arrays are one-dimensional and of equal length unless noted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Truth = NDArray[np.int64] | NDArray[np.bool_]


def ndcg_at_k(hits: NDArray[np.bool_], relevant: NDArray[np.int64]) -> Vector:
    """Normalised discounted cumulative gain with binary gain (Järvelin, Kekäläinen 2002), (customers,).

    hits: (customers, k), whether the product at each position is relevant; relevant: the number of relevant products,
    at least 1. The ideal ranking has min(k, relevant) hits first.
    """
    discount = 1.0 / np.log2(np.arange(hits.shape[1]) + 2.0)
    ideal = np.cumsum(discount)[np.minimum(relevant, hits.shape[1]) - 1]
    gained: Vector = (hits @ discount) / ideal
    return gained


def recall_at_k(hits: NDArray[np.bool_], relevant: NDArray[np.int64]) -> Vector:
    """The share of the relevant products that was shown, (customers,)."""
    share: Vector = hits.sum(axis=1) / relevant
    return share


def auc(truth: Truth, score: Vector) -> float:
    """Area under the ROC curve: the probability that a random 1 scores above a random 0; ties count half."""
    return _weighted_auc(truth, _tie_groups(score), np.ones(len(score)))


def brier(truth: Truth, probability: Vector) -> float:
    """Mean squared error of a probability (Brier 1950)."""
    return float(np.mean((probability - truth) ** 2))


def pr_auc(truth: Truth, score: Vector) -> float:
    """Average precision: the precision at each distinct score, weighted by the increase in recall."""
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.diff(score[order]) != 0, True)
    found = np.cumsum(truth[order])[last_of_tie]
    precision = found / (np.flatnonzero(last_of_tie) + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / found[-1])


@dataclass(frozen=True)
class Difference:
    """The difference of two AUCs, with the middle 95 % of its bootstrap and the share of rounds below 0."""

    value: float
    low: float
    high: float
    below_zero: float


def auc_difference(truth: Truth, one: Vector, other: Vector, *, seed: int, rounds: int = 2000) -> Difference:
    """A paired bootstrap: each round resamples the customers once for both scores (Efron 1979)."""
    groups = _tie_groups(one), _tie_groups(other)
    draws = np.random.default_rng(seed)
    found = np.empty(rounds)
    for number in range(rounds):
        weight = np.bincount(draws.integers(len(truth), size=len(truth)), minlength=len(truth)).astype(np.float64)
        found[number] = _weighted_auc(truth, groups[0], weight) - _weighted_auc(truth, groups[1], weight)
    low, high = np.quantile(found, (0.025, 0.975))
    return Difference(auc(truth, one) - auc(truth, other), float(low), float(high), float(np.mean(found < 0)))


def _tie_groups(score: Vector) -> NDArray[np.int64]:
    """Each score's rank among the distinct scores, lowest first."""
    groups: NDArray[np.int64] = np.unique(score, return_inverse=True)[1]
    return groups


def _weighted_auc(truth: Truth, groups: NDArray[np.int64], weight: Vector) -> float:
    positive = np.bincount(groups, weight * truth)
    negative = np.bincount(groups, weight * (1 - np.asarray(truth, np.float64)))
    below = np.cumsum(negative) - negative
    return float(np.sum(positive * (below + negative / 2)) / (positive.sum() * negative.sum()))
