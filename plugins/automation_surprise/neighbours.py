"""Positive similarities, and the nearest of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Pairs(NamedTuple):
    """Some rows' positive similarities with all others, ordered by row and column; values Float64."""

    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    values: NDArray[np.float64]


def dense_blocks(similarities: NDArray[np.float64], rows: int) -> Iterator[Pairs]:
    """The positive entries of a dense matrix, `rows` rows at a time, without its diagonal (and without NaN)."""
    for first in range(0, len(similarities), rows):
        row, column = np.nonzero(similarities[first : first + rows] > 0)
        row = row + first
        row, column = row[row != column], column[row != column]
        yield Pairs(row.astype(np.int32), column.astype(np.int32), similarities[row, column])


def keep_nearest(blocks: Iterator[Pairs], size: int, nearest: int | None) -> sp.csr_array:
    """CSR (size × size) of each row's `nearest` entries, all when None; of equal ones the lower column is nearer."""
    kept = [pairs if nearest is None else _nearest(pairs, nearest) for pairs in blocks]
    rows, columns, values = (np.concatenate(part) for part in zip(*kept, strict=True))
    pointers = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size))])
    return sp.csr_array((values, columns, pointers), shape=(size, size))


def nearest_of(matrix: sp.csr_array, nearest: int) -> sp.csr_array:
    """The same for the rows of a CSR matrix."""
    pairs = _nearest(as_pairs(matrix), nearest)
    pointers = np.concatenate([[0], np.cumsum(np.bincount(pairs.rows, minlength=matrix.shape[0]))])
    return sp.csr_array((pairs.values, pairs.columns, pointers), shape=matrix.shape)


def places(pairs: Pairs) -> NDArray[np.int64]:
    """Each pair's place in its row, from 0 for the most similar; of equal ones the lower column comes first."""
    order = np.lexsort((pairs.columns, -pairs.values, pairs.rows))
    rows = pairs.rows[order]
    found = np.empty(len(rows), np.int64)
    found[order] = np.arange(len(rows)) - np.searchsorted(rows, rows, side="left")
    return found


def as_pairs(matrix: sp.csr_array) -> Pairs:
    """The stored values of a CSR matrix."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
    return Pairs(rows, matrix.indices, matrix.data)


def ones_like(matrix: sp.csr_array) -> sp.csr_array:
    """The same pattern, every value 1."""
    return sp.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)


def _nearest(pairs: Pairs, nearest: int) -> Pairs:
    chosen = places(pairs) < nearest
    return Pairs(pairs.rows[chosen], pairs.columns[chosen], pairs.values[chosen])
