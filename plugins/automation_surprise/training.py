"""Ratings to nearest neighbours, through scikit-surprise where its dense matrices fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from pydantic import ByteSize

from automation.errors import AutomationError, NotEnoughData
from automation_surprise.baselines import fit_baselines, row_numbers
from automation_surprise.neighbours import Pairs, dense_blocks, keep_nearest
from automation_surprise.similarity import similarity_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automation_surprise.options import SurpriseKnnOptions
    from automation_surprise.ratings import Ratings

# n × n arrays of 8 bytes that surprise.similarities 1.1.5 holds at once, its result included
_MATRICES = {"msd": 3, "cosine": 5, "pearson_baseline": 5, "pearson": 7}
_TRAINSET_BYTES = 280  # a rating in Surprise's Trainset while it is built; measured: 272
_BLOCK_BYTES = 64  # a cell of a block while its similarity is computed
_KEPT_BYTES = 40  # a kept neighbour, while blocks are joined
KEPT_FOR_RATING = 200  # neighbours kept per row when a rating is to be predicted from blocks


@dataclass(frozen=True)
class Learned:
    """What training leaves. x are the products (based on items) or the customers (based on users), y the others.

    neighbours: CSR (x × x) of positive similarities, Float64. x_levels: mean or bias of each x, y_levels: bias of each
    y; zeros where the algorithm has none, and y_levels empty when based on items, since a customer's is computed from
    their history. customers and ratings (customers × products): only when based on users, otherwise empty: a model
    based on items holds no customer's data.
    """

    as_of: datetime
    similarity: str
    rank_by: str
    products: pl.Series
    customers: pl.Series
    neighbours: sp.csr_array
    mean: float
    x_levels: NDArray[np.float64]
    y_levels: NDArray[np.float64]
    ratings: sp.csr_array


def train(ratings: Ratings, as_of: datetime, options: SurpriseKnnOptions) -> Learned:
    """Fit from scratch. Raises `NotEnoughData`, and `AutomationError` when `memory_limit` is too small."""
    _check_enough(ratings)
    users = options.based_on == "users"
    signal = ratings.has_signal
    name = options.similarity if signal else "co_occurrence"
    rank_by = options.rank_by if signal else "similarity"
    size = len(ratings.customers if users else ratings.products)
    model = _fit_surprise(ratings, name, options) if _fits(size, ratings.matrix.nnz, name, options) else None
    blocks = _dense(model, size) if model else _blocks(ratings.matrix, name, rank_by, options)
    nearest = options.neighbours if rank_by == "similarity" else None if model else _kept_for_rating(options)
    neighbours = keep_nearest(blocks, size, nearest)
    if rank_by == "rating":  # Surprise counts x among its own neighbours
        neighbours = (neighbours + sp.eye_array(size, format="csr")).tocsr()
    x_levels, y_levels = _levels(ratings.matrix, options)
    return Learned(
        as_of, name, rank_by, ratings.products, ratings.customers if users else ratings.customers.clear(), neighbours,
        float(ratings.matrix.data.mean()), x_levels, y_levels if users else np.empty(0),
        ratings.matrix if users else sp.csr_array((0, len(ratings.products))),
    )  # fmt: skip


def dense_bytes(size: int, ratings: int, similarity: str) -> int:
    """What Surprise holds at once while it fits `size` customers or products: matrices and its Trainset."""
    return _MATRICES[similarity] * 8 * size**2 + _TRAINSET_BYTES * ratings


def surprise_trainset(ratings: Ratings, scale: tuple[float, float]) -> Any:
    """Surprise's Trainset; ratings stand in the order of (customer, product), which settles ties between neighbours."""
    from surprise import Trainset

    by_user, by_item = (_lists(matrix) for matrix in (ratings.matrix, ratings.matrix.T.tocsr()))
    users, items = ({raw: inner for inner, raw in enumerate(ids)} for ids in (ratings.customers, ratings.products))
    return Trainset(by_user, by_item, len(users), len(items), ratings.matrix.nnz, scale, users, items)


def _check_enough(ratings: Ratings) -> None:
    customers, products = ratings.matrix.shape
    if customers < 2 or products < 2:
        raise NotEnoughData(
            "2 customers who rated, bought or looked at something, and 2 such products",
            f"{customers} and {products}",
        )


def _fits(size: int, ratings: int, name: str, options: SurpriseKnnOptions) -> bool:
    return name != "co_occurrence" and dense_bytes(size, ratings, name) <= options.memory_limit


def _fit_surprise(ratings: Ratings, name: str, options: SurpriseKnnOptions) -> Any | None:
    """The fitted algorithm; None where Surprise divides by zero, as it does for a pair whose ratings are all 0."""
    import surprise

    asked = {
        "name": name,
        "user_based": options.based_on == "users",
        "min_support": options.min_support,
        "shrinkage": options.shrinkage,
    }
    algorithm = getattr(surprise, options.algorithm)(
        k=options.neighbours, min_k=options.min_neighbours, sim_options=asked, verbose=False
    )
    try:
        return algorithm.fit(surprise_trainset(ratings, options.scale))
    except ZeroDivisionError:
        return None


def _dense(model: Any, size: int) -> Iterator[Pairs]:
    return dense_blocks(model.sim, max(1, 2_000_000 // size))


def _blocks(matrix: sp.csr_array, name: str, rank_by: str, options: SurpriseKnnOptions) -> Iterator[Pairs]:
    by_user = options.based_on == "users"
    values = _residuals(matrix) if name == "pearson_baseline" else matrix
    values = values if by_user else values.T.tocsr()
    size, kept = values.shape[0], options.neighbours if rank_by == "similarity" else _kept_for_rating(options)
    free = options.memory_limit - 100 * matrix.nnz - _KEPT_BYTES * size * min(size, kept)
    rows = min(size, 4096, free // (_BLOCK_BYTES * size))
    if rows < 1:
        needed = options.memory_limit - free + _BLOCK_BYTES * size
        raise AutomationError(
            f"surprise_knn needs at least {_size(needed)} for {size:,} {options.based_on} and {matrix.nnz:,} "
            f"ratings, memory_limit is {_size(options.memory_limit)}; raise memory_limit, or set in_the_last to "
            "train on fewer events"
        )
    return similarity_blocks(values, name, options, int(rows))


def _size(count: int) -> str:
    return ByteSize(count).human_readable(decimal=True)


def _kept_for_rating(options: SurpriseKnnOptions) -> int:
    return max(options.neighbours, KEPT_FOR_RATING)


def _residuals(matrix: sp.csr_array) -> sp.csr_array:
    mean, user, item = fit_baselines(matrix)
    rest = matrix.data - mean - user[row_numbers(matrix)] - item[matrix.indices]
    return sp.csr_array((rest, matrix.indices, matrix.indptr), shape=matrix.shape)


def _levels(matrix: sp.csr_array, options: SurpriseKnnOptions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of x and y: the algorithm's means or biases."""
    if options.algorithm == "KNNBaseline":
        _, user, item = fit_baselines(matrix)
        return (user, item) if options.based_on == "users" else (item, user)
    by_x = matrix if options.based_on == "users" else matrix.T.tocsr()
    x, y = np.zeros(by_x.shape[0]), np.zeros(by_x.shape[1])
    if options.algorithm == "KNNWithMeans":
        x = np.bincount(row_numbers(by_x), by_x.data, len(x)) / np.diff(by_x.indptr)
    return x, y


def _lists(matrix: sp.csr_array) -> dict[int, list[tuple[int, float]]]:
    columns, values, pointers = matrix.indices.tolist(), matrix.data.tolist(), matrix.indptr.tolist()
    pairs = list(zip(columns, values, strict=True))
    return {row: pairs[pointers[row] : pointers[row + 1]] for row in range(matrix.shape[0])}
