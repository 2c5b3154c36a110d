"""The four classifiers. scikit-learn fits them; they are stored as arrays, and scored and explained with numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from automation_churn.trees import Trees

if TYPE_CHECKING:
    from automation_churn.preprocessing import Matrix

Vector = NDArray[np.float64]
Kind = Literal["logistic", "decision_tree", "random_forest", "gradient_boosting"]


class Classifier(Protocol):
    """A fitted classifier. matrix: (customers, columns), float64."""

    def probability(self, matrix: Matrix) -> Vector:
        """The probability of class 1, (customers,), equal to scikit-learn's predict_proba within 1e-9."""
        ...

    def contributions(self, matrix: Matrix) -> Matrix:
        """How much each column moves a customer's score from the average, (customers, columns)."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fitted parameters by name; `from_arrays` restores them."""
        ...


@dataclass(frozen=True)
class Logistic:
    """Logistic regression. coefficients: (columns,); intercept: (1,). Contributions are in log-odds."""

    coefficients: Vector
    intercept: Vector

    def probability(self, matrix: Matrix) -> Vector:
        """The probability of class 1, (customers,)."""
        # Not `matrix @ coefficients`: BLAS rounds differently for each batch size, and a score must not depend on it.
        return logistic((matrix * self.coefficients).sum(axis=1) + self.intercept)

    def contributions(self, matrix: Matrix) -> Matrix:
        """Coefficient × standardised value, (customers, columns)."""
        return matrix * self.coefficients

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The coefficients and the intercept."""
        return dict(vars(self))


@dataclass(frozen=True)
class Averaged:
    """A decision tree or a random forest, whose trees are averaged. Contributions are in probability."""

    trees: Trees

    def probability(self, matrix: Matrix) -> Vector:
        """The mean of the trees' predictions, (customers,)."""
        return self.trees.total(matrix) / len(self.trees.roots)

    def contributions(self, matrix: Matrix) -> Matrix:
        """The mean of the trees' contributions, (customers, columns)."""
        return self.trees.contributions(matrix) / len(self.trees.roots)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The trees' arrays."""
        return self.trees.arrays()


@dataclass(frozen=True)
class Boosted:
    """Gradient boosting: the sum of a start value, (1,), and the trees' predictions, in log-odds."""

    trees: Trees
    start: Vector

    def probability(self, matrix: Matrix) -> Vector:
        """The probability of class 1, (customers,)."""
        return logistic(self.start + self.trees.total(matrix))

    def contributions(self, matrix: Matrix) -> Matrix:
        """The trees' contributions in log-odds, (customers, columns)."""
        return self.trees.contributions(matrix)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The trees' arrays and the start value."""
        return {**self.trees.arrays(), "start": self.start}


def fit_classifier(kind: Kind, matrix: Matrix, lapsed: NDArray[np.int64], *, seed: int) -> Classifier:
    """Fit to a matrix, (customers, columns), and 0 or 1 per customer; the same seed gives the same arrays."""
    return extract_classifier(create_estimator(kind, len(matrix), seed=seed).fit(matrix, lapsed))


def create_estimator(kind: Kind, customers: int, *, seed: int) -> Any:
    """An unfitted scikit-learn estimator. Its settings were chosen on time windows before the reported ones.

    There are no class weights, because they distort the probabilities. The minimum leaf size is a share of the
    customers, so that a model stays small for a large shop.
    """
    leaf = min(max(customers // 80, 5), 500)
    if kind == "logistic":
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=0.01, max_iter=5000)
    if kind == "decision_tree":
        from sklearn.tree import DecisionTreeClassifier

        return DecisionTreeClassifier(max_depth=4, min_samples_leaf=leaf, random_state=seed)
    if kind == "random_forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(100, min_samples_leaf=leaf, random_state=seed)
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(
        n_estimators=100, learning_rate=0.05, max_depth=2, min_samples_leaf=leaf, subsample=0.5, random_state=seed
    )


def extract_classifier(fitted: Any) -> Classifier:
    """The classifier with the parameters of a fitted scikit-learn estimator."""
    if hasattr(fitted, "coef_"):
        return Logistic(fitted.coef_[0].astype(np.float64), fitted.intercept_.astype(np.float64))
    if hasattr(fitted, "init_"):
        steps = [tree.tree_ for tree in fitted.estimators_[:, 0]]
        values = [fitted.learning_rate * tree.value[:, 0, 0] for tree in steps]
        prior = fitted.init_.class_prior_[1]
        return Boosted(Trees.from_estimators(steps, values), np.array([np.log(prior / (1 - prior))]))
    trees = [tree.tree_ for tree in getattr(fitted, "estimators_", [fitted])]
    return Averaged(
        Trees.from_estimators(trees, [tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) for tree in trees])
    )


def from_arrays(kind: Kind, arrays: Mapping[str, NDArray[Any]], columns: int) -> Classifier:
    """Restore a classifier from `arrays()`. Raises KeyError and ValueError for missing or invalid arrays."""
    if kind == "logistic":
        coefficients, intercept = arrays["coefficients"], arrays["intercept"]
        if coefficients.shape != (columns,) or intercept.shape != (1,):
            raise ValueError(f"coefficients have shape {coefficients.shape}")
        return Logistic(coefficients, intercept)
    trees = Trees.from_arrays(arrays, columns)
    if kind != "gradient_boosting":
        return Averaged(trees)
    if arrays["start"].shape != (1,):
        raise ValueError(f"start has shape {arrays['start'].shape}")
    return Boosted(trees, arrays["start"])


def logistic(log_odds: Vector) -> Vector:
    """1 / (1 + e^-x) without overflow."""
    small = np.exp(-np.abs(log_odds))
    probability: Vector = np.where(log_odds >= 0, 1.0, small) / (1.0 + small)
    return probability
