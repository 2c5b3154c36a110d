"""Surprise's predicted ratings for many customers and products at once, over the similarities that it trained.

What `predict` does for one pair (Hug 2020, JOSS 5:2174): among the x' that y has rated it takes the `neighbours` most
similar to x, in the trainset's order where they are equal, drops those that are not positive, and averages their
ratings (less their level) weighted by similarity. Here the same is done for blocks of x and y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from automation_surprise.baselines import row_numbers, user_biases
from automation_surprise.neighbours import as_pairs, ones_like, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automation_surprise.options import SurpriseKnnOptions
    from automation_surprise.training import Learned

_CELLS = 300_000  # of a block, 2 MB: MovieLens 100K takes 1.6 s, with 16 M cells 2.1 s
_LEAST_ROWS = 256  # of x at a time, however many x' there are: 60 MB at 20,000


class Sums(NamedTuple):
    """Over the neighbours used, per y and x: similarity × value, similarity, and how many; each (y × x), Float64."""

    weighted: NDArray[np.float64]
    similarity: NDArray[np.float64]
    used: NDArray[np.float64]


class Estimates(NamedTuple):
    """ratings: predicted, within the scale; used: the neighbours behind each. Both (customers × products) Float64."""

    ratings: NDArray[np.float64]
    used: NDArray[np.float64]


def estimate(
    learned: Learned,
    options: SurpriseKnnOptions,
    owned: sp.csr_array,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> Estimates:
    """Predicted ratings of the products `columns` (positions in `learned.products`, -1 for an unknown one).

    owned: the batch's ratings (customers × products). rows: their positions in `learned.customers`, -1 for a customer
    who is unknown; looked at only when based on users.
    """
    if options.based_on == "items":
        y_known = np.diff(owned.indptr) > 0
        y_levels = user_biases(owned, learned.mean, learned.x_levels)
        made = _estimate(learned, options, columns, owned, y_known=y_known, y_levels=y_levels)
        return Estimates(*made)
    by_item = _columns(learned.ratings, columns)
    y_levels = np.where(columns >= 0, learned.y_levels[columns], 0.0)
    ratings, used = _estimate(learned, options, rows, by_item, y_known=columns >= 0, y_levels=y_levels)
    return Estimates(ratings.T, used.T)


def _estimate(
    learned: Learned,
    options: SurpriseKnnOptions,
    x: NDArray[np.int64],
    y: sp.csr_array,
    *,
    y_known: NDArray[np.bool_],
    y_levels: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Surprise's `estimate` and what `predict` does around it, for all y × x; unknown x are -1."""
    baseline = options.algorithm == "KNNBaseline"
    known = y_known[:, None] & (x >= 0)[None, :]
    x_levels = np.where(x >= 0, learned.x_levels[x], 0.0)
    values = y.data - learned.x_levels[y.indices]
    level = x_levels[None, :] + np.zeros((y.shape[0], 1))
    if baseline:
        values = values - learned.mean - y_levels[row_numbers(y)]
        level = level + learned.mean + y_levels[:, None]
    near = sum_neighbours(learned.neighbours[np.maximum(x, 0)], y, values, options.neighbours)
    enough = known & (near.used >= options.min_neighbours)
    moved = np.divide(near.weighted, near.similarity, out=np.zeros_like(level), where=enough)
    if options.algorithm == "KNNBasic":
        found = np.where(enough, moved, learned.mean)
    else:
        found = np.where(known, level + moved, level if baseline else learned.mean)
    return np.clip(found, *options.scale), np.where(known, near.used, 0.0)


def sum_neighbours(near: sp.csr_array, y: sp.csr_array, values: NDArray[np.float64], neighbours: int) -> Sums:
    """near: similarities of the asked x (CSR, asked × all x). y: who rated what (CSR, y × all x); values beside it."""
    sizes = np.diff(y.indptr)
    few, many = np.flatnonzero(sizes <= neighbours), np.flatnonzero(sizes > neighbours)
    few_values = values[sizes[row_numbers(y)] <= neighbours]
    sums = Sums(*(np.zeros((y.shape[0], near.shape[0])) for _ in Sums._fields))
    for total, summed in zip(sums, _sum_all(near, y[few], few_values), strict=True):
        total[few] = summed
    step = max(_LEAST_ROWS, _CELLS // (near.shape[1] + 1))
    for first in range(0, near.shape[0] if len(many) else 0, step):
        part = slice(first, first + step)
        block = _Block.of(near[part])
        for group in _groups(many, sizes, len(block.places)):
            for total, summed in zip(sums, _sum_nearest(block, y, values, group, neighbours), strict=True):
                total[group, part] = summed
    return sums


class _Block(NamedTuple):
    """Some x: similarity with every x', and its place among x's neighbours, nearest first, equal ones by position.

    One more column stands for nobody. Selecting by place (2 bytes) took a sixth of the time of selecting by similarity,
    and settles ties as Surprise does: those not kept share the last place, and their similarity is 0.
    """

    similarities: NDArray[np.float64]
    places: NDArray[np.uint16] | NDArray[np.uint32]

    @classmethod
    def of(cls, near: sp.csr_array) -> _Block:
        rows, width = near.shape
        pairs = as_pairs(near)
        similarities = np.zeros((rows, width + 1))
        similarities[pairs.rows, pairs.columns] = pairs.values
        ranked = np.full((rows, width + 1), width, np.uint16 if width < 2**16 else np.uint32)
        ranked[pairs.rows, pairs.columns] = places(pairs)
        return cls(similarities, ranked)


def _sum_all(near: sp.csr_array, y: sp.csr_array, values: NDArray[np.float64]) -> Sums:
    """For y that have rated no more than `neighbours`: all of them count."""
    similarities, ones = near.T.tocsr(), ones_like(y)
    weights = sp.csr_array((values, y.indices, y.indptr), shape=y.shape)
    parts = (weights @ similarities, ones @ similarities, ones @ ones_like(similarities))
    return Sums(*(part.toarray() for part in parts))


def _sum_nearest(
    block: _Block, y: sp.csr_array, values: NDArray[np.float64], group: NDArray[np.int64], neighbours: int
) -> Sums:
    """For y that have rated more: the `neighbours` nearest to each x; arrays are (x, y of the group, rated)."""
    sizes = np.diff(y.indptr)[group]
    place = np.arange(sizes.max())
    at = np.minimum(y.indptr[group][:, None] + place, y.nnz - 1)
    real = place < sizes[:, None]
    columns, value = np.where(real, y.indices[at], block.places.shape[1] - 1), np.where(real, values[at], 0.0)
    shape = (len(block.places), *columns.shape)
    ranked = np.take(block.places, columns.ravel(), axis=1).reshape(shape)
    last = np.partition(ranked, neighbours - 1, axis=-1)[..., neighbours - 1, None]
    weights = np.take(block.similarities, columns.ravel(), axis=1).reshape(shape)
    np.multiply(weights, ranked <= last, out=weights)
    used = np.count_nonzero(weights, axis=-1)
    return Sums(np.einsum("xgm,gm->gx", weights, value), weights.sum(axis=-1).T, used.T.astype(np.float64))


def _groups(rows: NDArray[np.int64], sizes: NDArray[np.int32], width: int) -> list[NDArray[np.int64]]:
    """Rows of similar size together, so that little is padded, and no block exceeds `_CELLS`."""
    rows = rows[np.argsort(sizes[rows], kind="stable")]
    groups: list[NDArray[np.int64]] = []
    first = 0
    while first < len(rows):
        reach = rows[first : first + 1 + _CELLS // (width * int(sizes[rows[first]]))]
        cells = np.arange(1, len(reach) + 1) * sizes[reach] * width
        groups.append(reach[: max(1, np.count_nonzero(cells <= _CELLS))])
        first += len(groups[-1])
    return groups


def _columns(ratings: sp.csr_array, columns: NDArray[np.int64]) -> sp.csr_array:
    """Products × customers of the asked products; an unknown one has no rating."""
    by_item = ratings.T.tocsr()
    asked = by_item[np.maximum(columns, 0)]
    sizes = np.where(columns >= 0, np.diff(asked.indptr), 0)
    kept = np.repeat(columns >= 0, np.diff(asked.indptr))
    pointers = np.concatenate([[0], np.cumsum(sizes)])
    return sp.csr_array((asked.data[kept], asked.indices[kept], pointers), shape=asked.shape)
