"""From raw features to a matrix without gaps, outliers and long tails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automation_churn.features import FEATURES

Matrix = NDArray[np.float64]

INDICATORS = {"bought_once": "gap_mean", "never_visited": "visit_recency"}
"""Columns that mark an undefined feature, so that filling it in loses no information."""
COLUMNS = (*FEATURES, *INDICATORS)


@dataclass(frozen=True)
class Preparation:
    """Clip at the 0.5 % and 99.5 % quantiles, fill with the median, signed log1p, standardise; a number per column.

    Clipping (winsorising) keeps one wholesale customer from setting the scale; the log makes money and counts
    comparable (on Online Retail it raised a logistic regression's AUC in each of three earlier windows).
    """

    lowest: Matrix
    highest: Matrix
    median: Matrix
    mean: Matrix
    deviation: Matrix

    @classmethod
    def fit(cls, raw: Matrix) -> Preparation:
        """Learn the numbers. raw: (customers, FEATURES), NaN where undefined; a column of nothing but NaN becomes 0."""
        known = np.where(np.isnan(raw).all(axis=0), 0.0, raw)
        lowest, highest = np.nanquantile(known, (0.005, 0.995), axis=0)
        median = np.nanmedian(known, axis=0)
        unscaled = cls(lowest, highest, median, np.zeros(len(COLUMNS)), np.ones(len(COLUMNS)))
        matrix = unscaled.apply(raw)
        deviation = matrix.std(axis=0)
        return cls(lowest, highest, median, matrix.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0))

    def apply(self, raw: Matrix) -> Matrix:
        """From (customers, FEATURES) to (customers, COLUMNS), float64, finite."""
        missing = np.isnan(raw)
        filled = np.where(missing, self.median, np.clip(raw, self.lowest, self.highest))
        shaped = np.sign(filled) * np.log1p(np.abs(filled))
        indicators = missing[:, [FEATURES.index(name) for name in INDICATORS.values()]]
        prepared: Matrix = (np.hstack([shaped, indicators]) - self.mean) / self.deviation
        return prepared

    def arrays(self) -> dict[str, Matrix]:
        """Everything learned, by name."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Matrix]) -> Preparation:
        """The preparation that `arrays()` came from. Raises KeyError and ValueError for arrays that don't fit."""
        widths = {"mean": len(COLUMNS), "deviation": len(COLUMNS)}
        found = {name: np.asarray(arrays[name], np.float64) for name in cls.__dataclass_fields__}
        for name, array in found.items():
            if array.shape != (widths.get(name, len(FEATURES)),) or not np.isfinite(array).all():
                raise ValueError(f"{name} has shape {array.shape} or is not finite")
        return cls(**found)
