"""Decision trees as flat arrays, evaluated for all customers at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Index = NDArray[np.int32]


@dataclass(frozen=True)
class Trees:
    """All nodes of all trees in a row. left, right: child nodes (of a leaf, itself). roots: each tree's first node.

    A customer goes left where the column `feature` is at most `threshold`, compared as in scikit-learn: the value as
    float32. `value` is a leaf's prediction, and an inner node's mean prediction over the customers that it was fitted
    on.
    """

    left: Index
    right: Index
    feature: Index
    threshold: Vector
    value: Vector
    roots: Index

    @classmethod
    def of(cls, fitted: Sequence[Any], leaf_values: Sequence[Vector]) -> Trees:
        """From scikit-learn's `tree_` objects and a prediction for each of their nodes; only leaves' are used."""
        counts = [tree.node_count for tree in fitted]
        roots = np.concatenate([[0], np.cumsum(counts)[:-1]])
        parts = [_flat(tree, values, root) for tree, values, root in zip(fitted, leaf_values, roots, strict=True)]
        left, right, feature, threshold, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(
            left.astype(np.int32),
            right.astype(np.int32),
            feature.astype(np.int32),
            threshold.astype(np.float64),
            value.astype(np.float64),
            roots.astype(np.int32),
        )

    def total(self, matrix: Matrix) -> Vector:
        """The sum of the trees' predictions, (customers,)."""
        total = np.zeros(len(matrix))
        for _, node in self._walks(matrix, None):
            total += self.value[node]
        return total

    def contributions(self, matrix: Matrix) -> Matrix:
        """How far each column moved the sum away from the roots' values, (customers, columns).

        Every split on a customer's path moves its prediction from the node's average to the child's; the move is
        credited to the column that was split on (Saabas 2014, "Interpreting random forests"). Rows add up to
        `total` less the sum of the roots' values.
        """
        moved = np.zeros_like(matrix)
        for _, _ in self._walks(matrix, moved):
            pass
        return moved

    def _walks(self, matrix: Matrix, moved: Matrix | None) -> Iterator[tuple[int, Index]]:
        """Each tree's root and the leaf that each customer ends in."""
        seen, rows = matrix.astype(np.float32), np.arange(len(matrix))
        for root in self.roots:
            node = np.full(len(matrix), root, np.int32)
            while (inner := self.left[node] != node).any():
                goes_left = seen[rows, self.feature[node]] <= self.threshold[node]
                child = np.where(goes_left, self.left[node], self.right[node])
                if moved is not None:
                    moved[rows[inner], self.feature[node[inner]]] += (self.value[child] - self.value[node])[inner]
                node = child
            yield int(root), node

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The columns of all nodes, and the roots."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], columns: int) -> Trees:
        """The trees that `arrays()` came from. Raises KeyError and ValueError for arrays that are not sound trees."""
        trees = cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
        nodes = np.arange(len(trees.left), dtype=np.int32)
        inner = trees.left != nodes
        sound = (
            all(len(array) == len(nodes) for name, array in trees.arrays().items() if name != "roots")
            and all(trees.arrays()[name].dtype == np.int32 for name in ("left", "right", "feature", "roots"))
            and len(trees.roots) > 0
            and bool(((trees.left > nodes) & (trees.right > nodes))[inner].all())
            and bool((trees.right == nodes)[~inner].all())
            and bool((trees.left < len(nodes)).all() and (trees.right < len(nodes)).all())
            and bool(((trees.feature >= 0) & (trees.feature < columns)).all())
            and bool(((trees.roots >= 0) & (trees.roots < len(nodes))).all())
            and bool(np.isfinite(trees.threshold).all() and np.isfinite(trees.value).all())
        )
        if not sound:
            raise ValueError("the trees' arrays do not fit together")
        return trees


def _flat(tree: Any, values: Vector, root: int) -> tuple[NDArray[Any], ...]:
    """One tree's columns; children come after their parent, so averages are computed from the last node back."""
    own = np.arange(tree.node_count)
    leaf = tree.children_left < 0
    left, right = np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)
    average, weight = np.array(values, np.float64), tree.weighted_n_node_samples
    for node in own[~leaf][::-1]:
        one, other = left[node], right[node]
        average[node] = (weight[one] * average[one] + weight[other] * average[other]) / (weight[one] + weight[other])
    feature = np.where(leaf, 0, tree.feature)
    return left + root, right + root, feature, np.where(leaf, 0.0, tree.threshold), average
