from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from automation_churn.calibration import calibrate, calibration_error, fit_calibration
from automation_churn.classifiers import fit_classifier
from automation_churn.features import FEATURES
from automation_churn.preprocessing import COLUMNS, Preprocessing

RECENCY, GAP, MONEY, TREND = (FEATURES.index(name) for name in ("recency", "gap_mean", "money", "trend"))


def raw(customers: int = 1001) -> Any:
    matrix = np.zeros((customers, len(FEATURES)))
    matrix[:, RECENCY] = np.arange(customers)
    matrix[:, TREND] = -3.0
    matrix[:, FEATURES.index("visit_recency")] = np.nan
    matrix[: customers // 2, GAP] = np.nan
    matrix[customers // 2 :, GAP] = 7.0
    return matrix


def test_outliers_are_clipped_at_the_stored_quantiles() -> None:
    fitted = Preprocessing.fit(raw())
    assert (fitted.lowest[RECENCY], fitted.highest[RECENCY]) == (5.0, 995.0)
    extreme = raw(2)
    extreme[:, RECENCY] = 1e9, 995.0
    prepared = fitted.apply(extreme)
    assert prepared[0, RECENCY] == prepared[1, RECENCY]


def test_missing_values_are_filled_and_marked() -> None:
    prepared = Preprocessing.fit(raw()).apply(raw())
    assert np.isfinite(prepared).all()
    marks = prepared[:, COLUMNS.index("bought_once")]
    assert (marks[:500] > 0).all()
    assert (marks[500:] < 0).all()
    assert len(set(prepared[:, GAP])) == 1  # the median, 7, is what everybody else has


def test_columns_have_mean_0_and_deviation_1_unless_constant() -> None:
    prepared = Preprocessing.fit(raw()).apply(raw())
    assert prepared[:, RECENCY].mean() == pytest.approx(0)
    assert prepared[:, RECENCY].std() == pytest.approx(1)
    for constant in (TREND, MONEY, FEATURES.index("visit_recency")):
        assert np.abs(prepared[:, constant]).max() < 1e-9


def test_the_logarithm_keeps_signs() -> None:
    low, high, middle = (np.full(len(FEATURES), bound) for bound in (-99.0, 99.0, 0.0))
    flat = Preprocessing(low, high, middle, np.zeros(len(COLUMNS)), np.ones(len(COLUMNS)))
    matrix = np.zeros((2, len(FEATURES)))
    matrix[:, TREND] = -3.0, 3.0
    assert flat.apply(matrix)[:, TREND] == pytest.approx([-np.log(4), np.log(4)])


def test_survives_its_arrays_and_refuses_others() -> None:
    fitted = Preprocessing.fit(raw())
    again = Preprocessing.from_arrays(fitted.arrays())
    np.testing.assert_array_equal(again.apply(raw()), fitted.apply(raw()))
    with pytest.raises(ValueError, match=r"mean has shape \(3,\) or is not finite"):
        Preprocessing.from_arrays({**fitted.arrays(), "mean": np.zeros(3)})
    with pytest.raises(KeyError):
        Preprocessing.from_arrays({})


def test_calibration_error_worked_out_by_hand() -> None:
    probability = np.array([0.1, 0.3, 0.8, 0.9])
    lapsed = np.array([0, 1, 1, 1])
    # two bins: promised 0.2 and 0.85, seen 0.5 and 1
    assert calibration_error(lapsed, probability, bins=2) == pytest.approx((0.3 + 0.15) / 2)


def test_calibration_keeps_the_order_and_mends_a_shrunken_score() -> None:
    draws = np.random.default_rng(1)
    odds = draws.normal(0, 2, 4000)
    truth = (draws.random(4000) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    matrix = np.column_stack([odds, draws.normal(size=(4000, 3))])
    # A forest with large leaves promises too little at both ends.
    fitted = fit_classifier("decision_tree", matrix, truth, seed=1)
    calibration = fit_calibration("decision_tree", matrix, truth, seed=1)
    scores = fitted.probability(matrix)
    assert calibration_error(truth, calibrate(scores, calibration)) < 0.03
    assert (np.diff(calibrate(np.linspace(0, 1, 100), calibration)) >= 0).all()


def test_calibration_of_noise_promises_the_average() -> None:
    draws = np.random.default_rng(2)
    truth = (draws.random(2000) < 0.1).astype(np.int64)
    matrix = draws.normal(size=(2000, 5))
    calibration = fit_calibration("random_forest", matrix, truth, seed=1)
    promised = calibrate(fit_classifier("random_forest", matrix, truth, seed=1).probability(matrix), calibration)
    assert abs(promised.mean() - truth.mean()) < 0.08
