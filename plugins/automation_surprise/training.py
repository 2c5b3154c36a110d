"""Trains the nearest-neighbours model, with scikit-surprise if its dense matrices fit into memory."""

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

# n × n arrays of 8 bytes that surprise.similarities 1.1.5 holds at the same time, including the result
_MATRICES = {"msd": 3, "cosine": 5, "pearson_baseline": 5, "pearson": 7}
_TRAINSET_BYTES = 280  # per rating, while Surprise's Trainset is built; measured: 272
_BLOCK_BYTES = 64  # per cell of a block, while its similarity is computed
_NEIGHBOUR_BYTES = 40  # per stored neighbour, while blocks are joined
KEPT_FOR_RATING = 200  # neighbours stored per row to predict ratings, if trained in blocks


@dataclass(frozen=True)
class TrainedModel:
    """A trained model. x are the products (based on items) or the customers (based on users), y the others.

    similarity, rank_by: those in use, which differ from the options if all ratings are equal. neighbours: CSR (x × x)
    of positive similarities, Float64. x_levels: the mean or bias of each x; y_levels: the bias of each y. Levels are 0
    if the algorithm has none. If based on items, y_levels is empty, because a customer's bias is computed from the
    history; customers and ratings (customers × products) are empty too, so the model contains no customer data.
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


def train(ratings: Ratings, as_of: datetime, options: SurpriseKnnOptions) -> TrainedModel:
    """Train a model. Raises `NotEnoughData`, and `AutomationError` if `memory_limit` is too small."""
    _check_enough(ratings)
    users = options.based_on == "users"
    signal = ratings.has_signal
    name = options.similarity if signal else "co_occurrence"
    rank_by = options.rank_by if signal else "similarity"
    size = len(ratings.customers if users else ratings.products)
    model = _fit_surprise(ratings, name, options) if _fits_in_memory(size, ratings.matrix.nnz, name, options) else None
    blocks = _read_dense(model, size) if model else _compute_blocks(ratings.matrix, name, rank_by, options)
    nearest = options.neighbours if rank_by == "similarity" else None if model else _neighbours_for_rating(options)
    neighbours = keep_nearest(blocks, size, nearest)
    if rank_by == "rating":  # in Surprise x is a neighbour of itself
        neighbours = (neighbours + sp.eye_array(size, format="csr")).tocsr()
    x_levels, y_levels = _compute_levels(ratings.matrix, options)
    return TrainedModel(
        as_of, name, rank_by, ratings.products, ratings.customers if users else ratings.customers.clear(), neighbours,
        float(ratings.matrix.data.mean()), x_levels, y_levels if users else np.empty(0),
        ratings.matrix if users else sp.csr_array((0, len(ratings.products))),
    )  # fmt: skip


def dense_bytes(size: int, ratings: int, similarity: str) -> int:
    """The memory that Surprise needs to fit `size` customers or products: its matrices and its Trainset."""
    return _MATRICES[similarity] * 8 * size**2 + _TRAINSET_BYTES * ratings


def build_trainset(ratings: Ratings, scale: tuple[float, float]) -> Any:
    """Surprise's Trainset. Ratings are sorted by (customer, product), which determines the order of tied neighbours."""
    from surprise import Trainset

    by_user, by_item = (_list_ratings(matrix) for matrix in (ratings.matrix, ratings.matrix.T.tocsr()))
    users, items = ({raw: inner for inner, raw in enumerate(ids)} for ids in (ratings.customers, ratings.products))
    return Trainset(by_user, by_item, len(users), len(items), ratings.matrix.nnz, scale, users, items)


def _check_enough(ratings: Ratings) -> None:
    customers, products = ratings.matrix.shape
    if customers < 2 or products < 2:
        raise NotEnoughData(
            "2 customers who rated, bought or looked at something, and 2 such products",
            f"{customers} and {products}",
        )


def _fits_in_memory(size: int, ratings: int, name: str, options: SurpriseKnnOptions) -> bool:
    return name != "co_occurrence" and dense_bytes(size, ratings, name) <= options.memory_limit


def _fit_surprise(ratings: Ratings, name: str, options: SurpriseKnnOptions) -> Any | None:
    """The fitted algorithm; None if Surprise divides by zero, which happens if all ratings of a pair are 0."""
    import surprise

    similarity = {
        "name": name,
        "user_based": options.based_on == "users",
        "min_support": options.min_support,
        "shrinkage": options.shrinkage,
    }
    algorithm = getattr(surprise, options.algorithm)(
        k=options.neighbours, min_k=options.min_neighbours, sim_options=similarity, verbose=False
    )
    try:
        return algorithm.fit(build_trainset(ratings, options.scale))
    except ZeroDivisionError:
        return None


def _read_dense(model: Any, size: int) -> Iterator[Pairs]:
    return dense_blocks(model.sim, max(1, 2_000_000 // size))


def _compute_blocks(matrix: sp.csr_array, name: str, rank_by: str, options: SurpriseKnnOptions) -> Iterator[Pairs]:
    by_user = options.based_on == "users"
    values = _subtract_baselines(matrix) if name == "pearson_baseline" else matrix
    values = values if by_user else values.T.tocsr()
    size, kept = values.shape[0], options.neighbours if rank_by == "similarity" else _neighbours_for_rating(options)
    free = options.memory_limit - 100 * matrix.nnz - _NEIGHBOUR_BYTES * size * min(size, kept)
    rows = min(size, 4096, free // (_BLOCK_BYTES * size))
    if rows < 1:
        needed = options.memory_limit - free + _BLOCK_BYTES * size
        raise AutomationError(
            f"surprise_knn needs at least {_format_bytes(needed)} for {size:,} {options.based_on} and {matrix.nnz:,} "
            f"ratings, but memory_limit is {_format_bytes(options.memory_limit)}; raise memory_limit, or set "
            "in_the_last to train on fewer events"
        )
    return similarity_blocks(values, name, options, int(rows))


def _format_bytes(count: int) -> str:
    return ByteSize(count).human_readable(decimal=True)


def _neighbours_for_rating(options: SurpriseKnnOptions) -> int:
    return max(options.neighbours, KEPT_FOR_RATING)


def _subtract_baselines(matrix: sp.csr_array) -> sp.csr_array:
    mean, user, item = fit_baselines(matrix)
    rest = matrix.data - mean - user[row_numbers(matrix)] - item[matrix.indices]
    return sp.csr_array((rest, matrix.indices, matrix.indptr), shape=matrix.shape)


def _compute_levels(
    matrix: sp.csr_array, options: SurpriseKnnOptions
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The means or biases of x and of y, as the algorithm needs them."""
    if options.algorithm == "KNNBaseline":
        _, user, item = fit_baselines(matrix)
        return (user, item) if options.based_on == "users" else (item, user)
    by_x = matrix if options.based_on == "users" else matrix.T.tocsr()
    x, y = np.zeros(by_x.shape[0]), np.zeros(by_x.shape[1])
    if options.algorithm == "KNNWithMeans":
        x = np.bincount(row_numbers(by_x), by_x.data, len(x)) / np.diff(by_x.indptr)
    return x, y


def _list_ratings(matrix: sp.csr_array) -> dict[int, list[tuple[int, float]]]:
    columns, values, pointers = matrix.indices.tolist(), matrix.data.tolist(), matrix.indptr.tolist()
    pairs = list(zip(columns, values, strict=True))
    return {row: pairs[pointers[row] : pointers[row + 1]] for row in range(matrix.shape[0])}
