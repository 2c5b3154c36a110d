"""A fitted churn model: preparation, classifier and calibration together, and its quality on a later window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from automation_churn import classifiers, reasons
from automation_churn.calibration import calibrate, calibration_error, fit_calibration
from automation_churn.examples import as_matrix
from automation_churn.preparation import COLUMNS, Preparation

if TYPE_CHECKING:
    from automation_churn.classifiers import Classifier, Kind, Vector
    from automation_churn.examples import Examples
    from automation_churn.preparation import Matrix

FORMAT = 1


@dataclass(frozen=True)
class Fitted:
    """What `fit` learned. calibration: slope and shift, (2,)."""

    preparation: Preparation
    classifier: Classifier
    calibration: Vector

    @classmethod
    def learn(cls, kind: Kind, examples: Examples, *, seed: int) -> Fitted:
        """Fit preparation, classifier and calibration; the same examples and seed give the same arrays."""
        preparation = Preparation.fit(examples.raw)
        matrix = preparation.apply(examples.raw)
        classifier = classifiers.fit_classifier(kind, matrix, examples.lapsed, seed=seed)
        calibration = fit_calibration(kind, matrix, examples.lapsed, seed=seed)
        return cls(preparation, classifier, calibration)

    def probability(self, raw: Matrix) -> Vector:
        """The calibrated probability of no purchase in the horizon, (customers,). raw: (customers, FEATURES)."""
        return calibrate(self.classifier.probability(self.preparation.apply(raw)), self.calibration)

    def describe(self, frame: pl.DataFrame, labels: Mapping[str, float]) -> pl.DataFrame:
        """customer_id, label, score, reasons. frame: customer_id and `FEATURES`; labels: each label's least score."""
        matrix = self.preparation.apply(as_matrix(frame))
        score = calibrate(self.classifier.probability(matrix), self.calibration)
        themes = reasons.strongest(self.classifier.contributions(matrix))
        scored = frame.select("customer_id").with_columns(
            score=pl.Series(score, dtype=pl.Float64), reasons=reasons.describe_themes(frame, themes)
        )
        return scored.select("customer_id", _label(labels).alias("label"), "score", "reasons")

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Everything learned, by name, with the format's number and the columns' names as uint8."""
        return {
            "format": np.array([FORMAT], np.int64),
            "columns": _text(),
            "calibration": self.calibration,
            **{f"preparation.{name}": array for name, array in self.preparation.arrays().items()},
            **{f"classifier.{name}": array for name, array in self.classifier.arrays().items()},
        }

    @classmethod
    def from_arrays(cls, kind: Kind, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Fitted:
        """The model that `arrays()` came from. Raises KeyError and ValueError for arrays of another version."""
        if int(arrays["format"][0]) != FORMAT or not np.array_equal(arrays["columns"], _text()):
            raise ValueError("they were made by another version of the plugin")
        calibration = arrays["calibration"]
        if calibration.shape != (2,):
            raise ValueError("the calibration has another shape")
        preparation = Preparation.from_arrays(_under("preparation.", arrays))
        classifier = classifiers.from_arrays(kind, _under("classifier.", arrays), len(COLUMNS))
        return cls(preparation, classifier, calibration)


def judge(fitted: Fitted, later: Examples) -> dict[str, float]:
    """Metrics of a model fitted one window earlier, and of recency alone, on the same customers."""
    from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

    probability = fitted.probability(later.raw)
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


def _label(labels: Mapping[str, float]) -> pl.Expr:
    """Of the labels whose least score is reached, the one with the highest."""
    found: pl.Expr = pl.lit(None, pl.String)
    for label, least in sorted(labels.items(), key=lambda item: item[1]):
        found = pl.when(pl.col("score") >= least).then(pl.lit(label)).otherwise(found)
    return found


def _under(prefix: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _text() -> np.ndarray[Any, Any]:
    return np.frombuffer("\n".join(COLUMNS).encode(), np.uint8)
