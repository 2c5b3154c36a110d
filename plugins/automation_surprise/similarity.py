"""Surprise's similarities computed in blocks of rows, for shops whose dense matrices exceed the memory limit.

The formulas are those of `surprise.similarities` (Hug 2020, JOSS 5:2174); each sum is over the raters that x and x'
share. A similarity is 0 where Surprise divides by zero. `co_occurrence` is the cosine of the sets of raters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from automation_surprise.neighbours import Pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automation_surprise.options import SurpriseKnnOptions


@dataclass(frozen=True)
class Vectors:
    """The vectors to compare, one row per x (CSR): their values, ones in the same pattern, and squares."""

    values: sp.csr_array
    ones: sp.csr_array
    squares: sp.csr_array

    @classmethod
    def of(cls, values: sp.csr_array) -> Vectors:
        """From ratings, CSR (x × raters)."""
        parts = [
            sp.csr_array((data, values.indices, values.indptr), shape=values.shape)
            for data in (values.data, np.ones(values.nnz), values.data**2)
        ]
        return cls(*parts)

    @property
    def transposed(self) -> Vectors:
        """The same values, (raters × x)."""
        return Vectors(*(part.T.tocsr() for part in (self.values, self.ones, self.squares)))

    def rows(self, block: slice) -> Vectors:
        """The vectors of a block of rows."""
        return Vectors(self.values[block], self.ones[block], self.squares[block])


@dataclass(frozen=True)
class SharedSums:
    """Sums over shared raters, for the pairs `at` of a block's rows and all columns. n: the number of shared raters."""

    left: Vectors
    right: Vectors
    at: tuple[NDArray[np.int32], NDArray[np.int32]]
    n: NDArray[np.float64]

    def products(self) -> NDArray[np.float64]:
        """The sum of products over the shared raters of each pair, (pairs,)."""
        return self._sum(self.left.values, self.right.values)

    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The sums of the left and of the right values over the shared raters of each pair, (pairs,) each."""
        return self._sum(self.left.values, self.right.ones), self._sum(self.left.ones, self.right.values)

    def squares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The sums of squares, left and right, over the shared raters of each pair, (pairs,) each."""
        return self._sum(self.left.squares, self.right.ones), self._sum(self.left.ones, self.right.squares)

    def _sum(self, left: sp.csr_array, right: sp.csr_array) -> NDArray[np.float64]:
        # A sparse product drops sums of exactly 0, so its entries don't match the pairs; look them up in a dense block.
        sums: NDArray[np.float64] = (left @ right).toarray()[self.at]
        return sums


def similarity_blocks(values: sp.csr_array, name: str, options: SurpriseKnnOptions, rows: int) -> Iterator[Pairs]:
    """Positive similarities of all pairs except x with itself, in blocks of `rows` rows.

    values: CSR (x × raters): ratings, or for `pearson_baseline` their residuals from the baselines.
    """
    vectors = Vectors.of(values)
    right, counts = vectors.transposed, np.diff(values.indptr)
    support = max(2, options.min_support) if name == "pearson_baseline" else options.min_support
    for first in range(0, values.shape[0], rows):
        left = vectors.rows(slice(first, first + rows))
        common = (left.ones @ right.ones).tocoo()
        order = np.lexsort((common.col, common.row))
        order = order[(common.data[order] >= support) & (common.row[order] + first != common.col[order])]
        row, column, n = common.row[order], common.col[order], common.data[order]
        with np.errstate(divide="ignore", invalid="ignore"):
            if name == "co_occurrence":
                similarity = n / np.sqrt(counts[row + first] * counts[column])
            else:
                similarity = _similarity(SharedSums(left, right, (row, column), n), name, options.shrinkage)
        positive = np.isfinite(similarity) & (similarity > 0)
        yield Pairs((row[positive] + first).astype(np.int32), column[positive].astype(np.int32), similarity[positive])


def _similarity(shared: SharedSums, name: str, shrinkage: float) -> NDArray[np.float64]:
    n, products, (left, right) = shared.n, shared.products(), shared.squares()
    similarity: NDArray[np.float64]
    match name:
        case "msd":
            similarity = 1 / (np.maximum(left + right - 2 * products, 0) / n + 1)
        case "pearson":
            left_sum, right_sum = shared.sums()
            spread = (n * left - left_sum**2) * (n * right - right_sum**2)
            similarity = (n * products - left_sum * right_sum) / np.sqrt(spread)
        case "cosine":
            similarity = products / np.sqrt(left * right)
        case "pearson_baseline":
            similarity = products / np.sqrt(left * right) * (n - 1) / (n - 1 + shrinkage)
        case _:
            raise ValueError(f"unknown similarity: {name}")
    return similarity
