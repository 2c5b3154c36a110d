"""A lane's rate after push-backs and without them, worked out by hand."""

from __future__ import annotations

import pytest

from automation.delivery.adaptive_rate import WINDOW, AdaptiveRate
from automation.store.ledger.rate_lanes import RateLaneRow

S = 1_000_000


def test_a_lane_halves_when_a_tenth_is_pushed_back_and_comes_back_step_by_step() -> None:
    rate, row = AdaptiveRate(), RateLaneRow("provider|email|0", changed_at=-WINDOW)
    rate.note(4 * S, 100, 10)  # 90 in 5 seconds got through: 18 a second
    assert rate.adapt(row, 50.0, 4 * S)
    assert row.per_second == pytest.approx(9.0)
    assert not rate.adapt(row, 50.0, 5 * S)  # not before five seconds more
    assert rate.adapt(row, 50.0, 10 * S)
    assert row.per_second == pytest.approx(9.0 + 50 / 20)


def test_a_few_push_backs_among_many_change_nothing() -> None:
    rate, row = AdaptiveRate(), RateLaneRow("provider|email|0", changed_at=-WINDOW)
    rate.note(S, 100, 9)
    assert not rate.adapt(row, 50.0, S)
    few = AdaptiveRate()
    few.note(S, 4, 4)
    assert not few.adapt(row, 50.0, S)
    assert row.per_second is None


def test_a_lane_that_is_back_at_its_full_rate_is_no_longer_adapted() -> None:
    rate, row = AdaptiveRate(), RateLaneRow("provider|email|0", per_second=49.0, changed_at=-WINDOW)
    assert rate.adapt(row, 50.0, 0)
    assert row.per_second is None


def test_a_lane_without_a_rate_slows_down_to_half_of_what_got_through() -> None:
    rate, row = AdaptiveRate(), RateLaneRow("domain|email|slow.example", changed_at=-WINDOW)
    rate.note(5 * S, 100, 50)  # 50 in 5 seconds got through: 10 a second
    assert rate.adapt(row, None, 5 * S)
    assert row.per_second == pytest.approx(5.0)
    assert rate.ceiling == pytest.approx(10.0)
    for step in range(1, 11):
        assert rate.adapt(row, None, (5 + 6 * step) * S)
    assert row.per_second is None  # ten steps of a twentieth


def test_a_lane_never_stops_completely() -> None:
    rate, row = AdaptiveRate(), RateLaneRow("provider|email|0", changed_at=-WINDOW)
    rate.note(S, 50, 50)
    assert rate.adapt(row, None, S)
    assert row.per_second == 0.1
