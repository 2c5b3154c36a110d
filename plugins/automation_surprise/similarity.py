"""Surprise's similarities computed in blocks of rows, for when its dense matrices would not fit.

Formulas as in `surprise.similarities` (Hug 2020, JOSS 5:2174), each sum taken over the raters that x and x' share;
where Surprise divides by zero, the similarity is 0 here. `co_occurrence` is the cosine of who has x and who has x'.
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
class Compared:
    """What is compared: values per x (CSR), and its ones and squares; `transposed` has x along the columns."""

    values: sp.csr_array
    ones: sp.csr_array
    squares: sp.csr_array

    @classmethod
    def of(cls, values: sp.csr_array) -> Compared:
        """From ratings, CSR (what is compared × raters)."""
        made = [
            sp.csr_array((data, values.indices, values.indptr), shape=values.shape)
            for data in (values.data, np.ones(values.nnz), values.data**2)
        ]
        return cls(*made)

    @property
    def transposed(self) -> Compared:
        """The same values, (raters × what is compared)."""
        return Compared(*(part.T.tocsr() for part in (self.values, self.ones, self.squares)))

    def rows(self, block: slice) -> Compared:
        """The same values of a block of rows."""
        return Compared(self.values[block], self.ones[block], self.squares[block])


@dataclass(frozen=True)
class Shared:
    """Sums over shared raters, for pairs of a block's rows with all columns; `n` how many raters they share."""

    left: Compared
    right: Compared
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
        # A sparse product drops sums that are exactly 0, so its entries don't line up with the pairs': look them up.
        found: NDArray[np.float64] = (left @ right).toarray()[self.at]
        return found


def similarity_blocks(values: sp.csr_array, name: str, options: SurpriseKnnOptions, rows: int) -> Iterator[Pairs]:
    """Positive similarities of `rows` rows of `values` at a time with all others, themselves left out.

    values: CSR (what is compared × raters): ratings, or what the baselines leave of them for `pearson_baseline`.
    """
    compared = Compared.of(values)
    right, counts = compared.transposed, np.diff(values.indptr)
    support = max(2, options.min_support) if name == "pearson_baseline" else options.min_support
    for first in range(0, values.shape[0], rows):
        left = compared.rows(slice(first, first + rows))
        common = (left.ones @ right.ones).tocoo()
        order = np.lexsort((common.col, common.row))
        order = order[(common.data[order] >= support) & (common.row[order] + first != common.col[order])]
        row, column, n = common.row[order], common.col[order], common.data[order]
        with np.errstate(divide="ignore", invalid="ignore"):
            if name == "co_occurrence":
                found = n / np.sqrt(counts[row + first] * counts[column])
            else:
                found = _similarity(Shared(left, right, (row, column), n), name, options.shrinkage)
        positive = np.isfinite(found) & (found > 0)
        yield Pairs((row[positive] + first).astype(np.int32), column[positive].astype(np.int32), found[positive])


def _similarity(shared: Shared, name: str, shrinkage: float) -> NDArray[np.float64]:
    n, products, (ours, theirs) = shared.n, shared.products(), shared.squares()
    found: NDArray[np.float64]
    match name:
        case "msd":
            found = 1 / (np.maximum(ours + theirs - 2 * products, 0) / n + 1)
        case "pearson":
            our_sum, their_sum = shared.sums()
            spread = (n * ours - our_sum**2) * (n * theirs - their_sum**2)
            found = (n * products - our_sum * their_sum) / np.sqrt(spread)
        case "cosine":
            found = products / np.sqrt(ours * theirs)
        case "pearson_baseline":
            found = products / np.sqrt(ours * theirs) * (n - 1) / (n - 1 + shrinkage)
        case _:
            raise ValueError(f"no such similarity: {name}")
    return found
