"""Selects each row's nearest neighbours from positive similarities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Pairs(NamedTuple):
    """Positive similarities of some rows with all others, sorted by row and column; values Float64."""

    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]


def dense_blocks(similarities: NDArray[np.float64], rows: int) -> Iterator[Pairs]:
    """The positive entries of a dense matrix without its diagonal, in blocks of `rows` rows. NaN is left out."""
    for first in range(0, len(similarities), rows):
        row, column = np.nonzero(similarities[first : first + rows] > 0)
        row = row + first
        row, column = row[row != column], column[row != column]
        yield Pairs(row.astype(np.int32), column.astype(np.int32), similarities[row, column])


def keep_nearest(blocks: Iterator[Pairs], size: int, nearest: int | None) -> sp.csr_array:
    """CSR (size × size) with the `nearest` largest values of each row, all if None. Ties: the lower column first."""
    kept = [pairs if nearest is None else _select_nearest(pairs, nearest) for pairs in blocks]
    rows, columns, values = (np.concatenate(part) for part in zip(*kept, strict=True))
    pointers = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size))])
    return sp.csr_array((values, columns, pointers), shape=(size, size))


def keep_nearest_in_rows(matrix: sp.csr_array, nearest: int) -> sp.csr_array:
    """The same for a CSR matrix: only the `nearest` largest values of each row."""
    pairs = _select_nearest(as_pairs(matrix), nearest)
    pointers = np.concatenate([[0], np.cumsum(np.bincount(pairs.rows, minlength=matrix.shape[0]))])
    return sp.csr_array((pairs.values, pairs.columns, pointers), shape=matrix.shape)


def rank_in_row(pairs: Pairs) -> NDArray[np.int64]:
    """The rank of each pair in its row, 0 for the most similar. Ties: the lower column first."""
    order = np.lexsort((pairs.columns, -pairs.values, pairs.rows))
    rows = pairs.rows[order]
    ranks = np.empty(len(rows), np.int64)
    ranks[order] = np.arange(len(rows)) - np.searchsorted(rows, rows, side="left")
    return ranks


def as_pairs(matrix: sp.csr_array) -> Pairs:
    """The stored values of a CSR matrix as pairs."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
    return Pairs(rows, matrix.indices, matrix.data)


def ones_like(matrix: sp.csr_array) -> sp.csr_array:
    """A CSR matrix with the same sparsity pattern and every value 1."""
    return sp.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)


def _select_nearest(pairs: Pairs, nearest: int) -> Pairs:
    kept = rank_in_row(pairs) < nearest
    return Pairs(pairs.rows[kept], pairs.columns[kept], pairs.values[kept])
