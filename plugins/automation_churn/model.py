"""A fitted churn model (preprocessing, classifier and calibration) and its quality on a later window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from automation_churn import classifiers, reasons
from automation_churn.calibration import calibrate, calibration_error, fit_calibration
from automation_churn.examples import to_matrix
from automation_churn.preprocessing import COLUMNS, Preprocessing

if TYPE_CHECKING:
    from automation_churn.classifiers import Classifier, Kind, Vector
    from automation_churn.examples import Examples
    from automation_churn.preprocessing import Matrix

FORMAT = 1


@dataclass(frozen=True)
class ChurnModel:
    """A fitted churn model. calibration: slope and intercept, (2,)."""

    preprocessing: Preprocessing
    classifier: Classifier
    calibration: Vector

    @classmethod
    def fit(cls, kind: Kind, examples: Examples, *, seed: int) -> ChurnModel:
        """Fit preprocessing, classifier and calibration; the same examples and seed give the same arrays."""
        preprocessing = Preprocessing.fit(examples.raw)
        matrix = preprocessing.apply(examples.raw)
        classifier = classifiers.fit_classifier(kind, matrix, examples.lapsed, seed=seed)
        calibration = fit_calibration(kind, matrix, examples.lapsed, seed=seed)
        return cls(preprocessing, classifier, calibration)

    def probability(self, raw: Matrix) -> Vector:
        """The calibrated probability of no purchase within the horizon, (customers,). raw: (customers, FEATURES)."""
        return calibrate(self.classifier.probability(self.preprocessing.apply(raw)), self.calibration)

    def describe(self, frame: pl.DataFrame, labels: Mapping[str, float]) -> pl.DataFrame:
        """customer_id, label, score, reasons. frame: customer_id and `FEATURES`; labels: minimum score per label."""
        matrix = self.preprocessing.apply(to_matrix(frame))
        score = calibrate(self.classifier.probability(matrix), self.calibration)
        themes = reasons.find_strongest_themes(self.classifier.contributions(matrix))
        scored = frame.select("customer_id").with_columns(
            score=pl.Series(score, dtype=pl.Float64), reasons=reasons.describe_themes(frame, themes)
        )
        return scored.select("customer_id", _choose_label(labels).alias("label"), "score", "reasons")

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """All parameters by name, with the format version and the column names as uint8."""
        return {
            "format": np.array([FORMAT], np.int64),
            "columns": _column_names(),
            "calibration": self.calibration,
            **{f"preprocessing.{name}": array for name, array in self.preprocessing.arrays().items()},
            **{f"classifier.{name}": array for name, array in self.classifier.arrays().items()},
        }

    @classmethod
    def from_arrays(cls, kind: Kind, arrays: Mapping[str, np.ndarray[Any, Any]]) -> ChurnModel:
        """Restore from `arrays()`. Raises KeyError and ValueError for invalid arrays or those of another version."""
        if int(arrays["format"][0]) != FORMAT or not np.array_equal(arrays["columns"], _column_names()):
            raise ValueError("another version of the plugin wrote them")
        calibration = arrays["calibration"]
        if calibration.shape != (2,):
            raise ValueError("the calibration has the wrong shape")
        preprocessing = Preprocessing.from_arrays(_with_prefix("preprocessing.", arrays))
        classifier = classifiers.from_arrays(kind, _with_prefix("classifier.", arrays), len(COLUMNS))
        return cls(preprocessing, classifier, calibration)


def evaluate(model: ChurnModel, later: Examples) -> dict[str, float]:
    """Metrics of a model that was fitted one window earlier, and of recency alone, for the same customers."""
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    probability = model.probability(later.raw)
    auc = float(roc_auc_score(later.lapsed, probability))
    baseline = float(roc_auc_score(later.lapsed, later.recency))
    return {
        "quality": auc,
        "baseline": baseline,
        "auc": auc,
        "baseline_auc": baseline,
        "pr_auc": float(average_precision_score(later.lapsed, probability)),
        "brier": float(brier_score_loss(later.lapsed, probability)),
        "calibration_error": calibration_error(later.lapsed, probability),
    }


def _choose_label(labels: Mapping[str, float]) -> pl.Expr:
    """The label with the highest minimum score that the score reaches."""
    chosen: pl.Expr = pl.lit(None, pl.String)
    for label, minimum in sorted(labels.items(), key=lambda item: item[1]):
        chosen = pl.when(pl.col("score") >= minimum).then(pl.lit(label)).otherwise(chosen)
    return chosen


def _with_prefix(prefix: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _column_names() -> np.ndarray[Any, Any]:
    return np.frombuffer("\n".join(COLUMNS).encode(), np.uint8)
