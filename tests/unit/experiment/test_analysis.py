"""The lift's interval against published figures."""

from __future__ import annotations

import pytest

from automation.experiment.analysis import difference_interval


@pytest.mark.parametrize(
    ("counts", "expected"),
    [  # Newcombe (1998), Statistics in Medicine 17, table II, method 10
        ((56, 70, 48, 80), (0.2, 0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.6, 0.1705, 0.8090)),
        ((10, 10, 0, 10), (1.0, 0.6075, 1.0)),
        ((0, 10, 0, 10), (0.0, -0.2775, 0.2775)),
    ],
)
def test_the_difference_of_two_shares_has_newcombes_interval(
    counts: tuple[int, int, int, int], expected: tuple[float, float, float]
) -> None:
    assert difference_interval(*counts) == pytest.approx(expected, abs=5e-5)
