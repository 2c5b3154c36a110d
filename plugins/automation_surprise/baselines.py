"""Baseline estimates: mean + the customer's bias + the product's bias (Koren 2010, section 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse as sp
    from numpy.typing import NDArray

REGULARISE_USERS, REGULARISE_ITEMS, EPOCHS = 15, 10, 10  # Surprise's defaults


class Baselines(NamedTuple):
    """The mean of all ratings, and a Float64 bias for each user and each item."""

    mean: float
    users: NDArray[np.float64]
    items: NDArray[np.float64]


def fit_baselines(ratings: sp.csr_array) -> Baselines:
    """Surprise's alternating least squares for a matrix (users × items); each step is one vector operation."""
    items, values, mean = ratings.indices, ratings.data, float(ratings.data.mean())
    rows, per_item = row_numbers(ratings), np.bincount(ratings.indices, minlength=ratings.shape[1])
    user, item = np.zeros(ratings.shape[0]), np.zeros(ratings.shape[1])
    for _ in range(EPOCHS):
        item = np.bincount(items, values - mean - user[rows], len(item)) / (REGULARISE_ITEMS + per_item)
        user = compute_user_biases(ratings, mean, item)
    return Baselines(mean, user, item)


def compute_user_biases(ratings: sp.csr_array, mean: float, items: NDArray[np.float64]) -> NDArray[np.float64]:
    """The biases of users for given item biases, from the users' ratings; 0 for a user without ratings."""
    rest = np.bincount(row_numbers(ratings), ratings.data - mean - items[ratings.indices], ratings.shape[0])
    biases: NDArray[np.float64] = rest / (REGULARISE_USERS + np.diff(ratings.indptr))
    return biases


def row_numbers(matrix: sp.csr_array) -> NDArray[np.int64]:
    """The row number of each stored value of a CSR matrix."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
