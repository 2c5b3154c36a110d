"""Converts a model's scores to calibrated probabilities (Platt scaling)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from automation_churn.classifiers import fit_classifier, logistic

if TYPE_CHECKING:
    from automation_churn.classifiers import Kind, Vector
    from automation_churn.preprocessing import Matrix

FOLDS = 5


def fit_calibration(kind: Kind, matrix: Matrix, lapsed: NDArray[np.int64], *, seed: int) -> Vector:
    """Slope and intercept, (2,), of Platt scaling, fitted on out-of-fold scores of the training customers.

    matrix: (customers, columns); lapsed: (customers,), 0 or 1. Platt scaling (Platt 1999) is used instead of isotonic
    regression, because it keeps the order of the customers, which `top … by` needs, and two parameters don't overfit
    the data of a small shop.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    scores = np.empty(len(matrix))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(matrix, lapsed):
        scores[test] = fit_classifier(kind, matrix[train], lapsed[train], seed=seed).probability(matrix[test])
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(_log_odds(scores)[:, None], lapsed)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return np.array([slope, intercept] if slope > 0 else [1.0, 0.0])


def calibrate(scores: Vector, calibration: Vector) -> Vector:
    """Probabilities, (customers,), from uncalibrated scores in (0, 1) and the result of `fit_calibration`."""
    return logistic(calibration[0] * _log_odds(scores) + calibration[1])


def calibration_error(lapsed: NDArray[np.int64], probability: Vector, *, bins: int = 10) -> float:
    """Expected calibration error: the mean difference between predicted and observed share, over bins of equal size."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(part) * abs(probability[part].mean() - lapsed[part].mean()) for part in parts]
    return float(sum(gaps) / len(order))


def _log_odds(probability: Vector) -> Vector:
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    odds: Vector = np.log(inside / (1 - inside))
    return odds
