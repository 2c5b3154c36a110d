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
    """The nodes of all trees, one array per attribute. left, right: the children (a leaf has itself as both). roots:
    the first node of each tree.

    A customer goes left if the column `feature`, as float32 like in scikit-learn, is at most `threshold`. value: the
    prediction of a leaf; for an inner node the mean prediction over its training customers.
    """

    left: Index
    right: Index
    feature: Index
    threshold: Vector
    value: Vector
    roots: Index

    @classmethod
    def from_estimators(cls, fitted: Sequence[Any], leaf_values: Sequence[Vector]) -> Trees:
        """From scikit-learn's `tree_` objects and the predictions of their nodes (only those of leaves are used)."""
        counts = [tree.node_count for tree in fitted]
        roots = np.concatenate([[0], np.cumsum(counts)[:-1]])
        parts = [_flatten(tree, values, root) for tree, values, root in zip(fitted, leaf_values, roots, strict=True)]
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
        for _, node in self._traverse(matrix, None):
            total += self.value[node]
        return total

    def contributions(self, matrix: Matrix) -> Matrix:
        """How much each column changes the sum, starting from the roots' values, (customers, columns).

        Each split on a customer's path changes the prediction from the node's mean to the child's mean; the change is
        attributed to the column of the split (Saabas 2014, "Interpreting random forests"). Each row adds up to `total`
        minus the sum of the roots' values.
        """
        moved = np.zeros_like(matrix)
        for _, _ in self._traverse(matrix, moved):
            pass
        return moved

    def _traverse(self, matrix: Matrix, moved: Matrix | None) -> Iterator[tuple[int, Index]]:
        """Each tree's root and each customer's leaf in that tree; adds the contributions to `moved`."""
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
        """The attributes of all nodes, and the roots."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], columns: int) -> Trees:
        """Restore trees from `arrays()`. Raises KeyError and ValueError for missing or inconsistent arrays."""
        trees = cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
        nodes = np.arange(len(trees.left), dtype=np.int32)
        inner = trees.left != nodes
        consistent = (
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
        if not consistent:
            raise ValueError("the trees' arrays are inconsistent")
        return trees


def _flatten(tree: Any, values: Vector, root: int) -> tuple[NDArray[Any], ...]:
    """One tree's arrays. Children come after their parent, so the means are computed from the last node backwards."""
    own = np.arange(tree.node_count)
    leaf = tree.children_left < 0
    left, right = np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)
    average, weight = np.array(values, np.float64), tree.weighted_n_node_samples
    for node in own[~leaf][::-1]:
        a, b = left[node], right[node]
        average[node] = (weight[a] * average[a] + weight[b] * average[b]) / (weight[a] + weight[b])
    feature = np.where(leaf, 0, tree.feature)
    return left + root, right + root, feature, np.where(leaf, 0.0, tree.threshold), average
