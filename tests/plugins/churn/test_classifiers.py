from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from automation_churn.classifiers import (
    Averaged,
    Boosted,
    Kind,
    Logistic,
    create_estimator,
    extract_classifier,
    from_arrays,
    logistic,
)
from automation_churn.trees import Trees

KINDS = get_args(Kind)


def examples(customers: int = 3000, columns: int = 7) -> tuple[Any, Any]:
    draws = np.random.default_rng(11)
    matrix = draws.normal(size=(customers, columns)) * np.array([1, 10, 0.1, 1, 1, 1, 1000])
    matrix[:, 3] = np.round(matrix[:, 3])  # ties at the thresholds
    odds = matrix[:, 0] + np.sin(matrix[:, 1] / 5) + 0.5 * matrix[:, 3] * (matrix[:, 4] > 0)
    return matrix, (draws.random(customers) < 1 / (1 + np.exp(-odds))).astype(np.int64)


@functools.cache
def learned(kind: Kind) -> tuple[Any, Any]:
    """A fitted scikit-learn estimator and the classifier extracted from it."""
    matrix, truth = examples()
    theirs = create_estimator(kind, len(matrix), seed=4).fit(matrix, truth)
    return theirs, extract_classifier(theirs)


every_model = pytest.mark.parametrize("kind", KINDS)
every_tree_model = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "logistic"])


@every_model
def test_equals_scikit_learn(kind: Kind) -> None:
    theirs, ours = learned(kind)
    matrix = np.vstack([examples()[0], np.random.default_rng(2).normal(size=(2000, 7)) * 100])
    assert np.abs(ours.probability(matrix) - theirs.predict_proba(matrix)[:, 1]).max() <= 1e-9


@every_tree_model
def test_equals_scikit_learn_at_the_thresholds(kind: Kind) -> None:
    theirs, ours = learned(kind)
    trees: Trees = ours.trees
    inner = np.flatnonzero(trees.left != np.arange(len(trees.left)))[:500]
    matrix = examples()[0][: len(inner)].copy()
    for step in (-1e-9, 0.0, 1e-9):
        matrix[np.arange(len(inner)), trees.feature[inner]] = trees.threshold[inner] + step
        assert np.abs(ours.probability(matrix) - theirs.predict_proba(matrix)[:, 1]).max() <= 1e-9


@every_model
def test_arrays_round_trip(kind: Kind) -> None:
    ours = learned(kind)[1]
    matrix = examples()[0]
    np.testing.assert_array_equal(from_arrays(kind, ours.arrays(), 7).probability(matrix), ours.probability(matrix))


@every_model
def test_contributions_add_up_to_the_score(kind: Kind) -> None:
    ours = learned(kind)[1]
    matrix = examples()[0][:200]
    total = ours.contributions(matrix).sum(axis=1)
    if isinstance(ours, Logistic):
        assert logistic(total + ours.intercept) == pytest.approx(ours.probability(matrix))
    elif isinstance(ours, Boosted):
        base = ours.trees.value[ours.trees.roots].sum() + ours.start
        assert logistic(total + base) == pytest.approx(ours.probability(matrix))
    else:
        assert total + ours.trees.value[ours.trees.roots].mean() == pytest.approx(ours.probability(matrix))


def test_contributions_of_a_tree_by_hand() -> None:
    # Of eight, five are ones. Column 1 splits first: 1 of 4 are ones below, 4 of 4 above. Then column 0 splits the
    # lower four: 0 of 3, and 1 of 1.
    matrix = np.array([[0, 0], [0, 0], [0, 0], [9, 0], [0, 9], [9, 9], [0, 9], [9, 9]], np.float64)
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    tree = DecisionTreeClassifier(max_depth=2, random_state=1).fit(matrix, truth)
    moved = extract_classifier(tree).contributions(matrix)
    expected = [[-0.25, 0.25 - 0.625], [0.75, 0.25 - 0.625], [0, 0.375]]
    np.testing.assert_allclose(moved[[0, 3, 7]], expected, atol=1e-12)


def test_inner_values_of_boosted_trees_are_averages_of_their_leaves() -> None:
    ours = learned("gradient_boosting")[1]
    matrix, _ = examples()
    # Over all customers of a full-sample tree the root is the mean leaf; with subsampling it is near it.
    steps = ours.trees.value[ours.trees.roots]
    assert ours.trees.total(matrix).mean() == pytest.approx(steps.sum(), abs=0.05)


def broken(**changes: Any) -> dict[str, Any]:
    matrix, truth = examples(300)
    ours = extract_classifier(create_estimator("decision_tree", 300, seed=1).fit(matrix, truth))
    assert isinstance(ours, Averaged)
    arrays = {name: array.copy() for name, array in ours.arrays().items()}
    for name, change in changes.items():
        change(arrays[name])
    return arrays


@pytest.mark.parametrize(
    "changes",
    [
        {"left": lambda array: array.__setitem__(1, 0)},  # a circle: the walk would never end
        {"right": lambda array: array.__setitem__(0, 10_000)},
        {"feature": lambda array: array.__setitem__(0, 7)},
        {"feature": lambda array: array.__setitem__(0, -1)},
        {"roots": lambda array: array.__setitem__(0, -1)},
        {"threshold": lambda array: array.__setitem__(0, np.nan)},
        {"value": lambda array: array.__setitem__(0, np.inf)},
    ],
)
def test_inconsistent_trees_are_refused(changes: dict[str, Any]) -> None:
    from_arrays("decision_tree", broken(), 7)
    with pytest.raises(ValueError, match="the trees' arrays are inconsistent"):
        from_arrays("decision_tree", broken(**changes), 7)


@every_model
def test_scoring_does_not_import_scikit_learn(kind: Kind, tmp_path: Path) -> None:
    theirs, ours = learned(kind)
    np.savez(tmp_path / "arrays.npz", **{f"a.{name}": array for name, array in ours.arrays().items()})
    code = f"""
import sys, numpy as np
from automation_churn.classifiers import from_arrays
stored = np.load({str(tmp_path / "arrays.npz")!r}, allow_pickle=False)
model = from_arrays({kind!r}, {{name[2:]: stored[name] for name in stored.files}}, 7)
print(model.probability(np.zeros((1, 7)))[0], "sklearn" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    probability, imported = done.stdout.split()
    assert float(probability) == pytest.approx(theirs.predict_proba(np.zeros((1, 7)))[0, 1], abs=1e-9)
    assert imported == "False"
