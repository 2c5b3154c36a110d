"""Adapts a lane's rate to its provider: halved when the provider pushes back, raised step by step while it doesn't.

Additive increase, multiplicative decrease (AIMD), as TCP does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from automation.store.ledger.rate_lanes import RateLaneRow

WINDOW = 5_000_000
"""Microseconds of results that a lane is judged by."""
PUSHED_BACK = 0.1
"""The share of results that were pushed back, above which a lane slows down."""
FEWEST = 10
"""Fewer push-backs than this in the window change nothing."""
SLOWEST = 0.1
"""Messages a second below which no lane falls."""
_STEPS = 20
"""Steps from nothing back to the full rate."""


@dataclass
class AdaptiveRate:
    """Recent results of one lane. `ceiling` is the rate at which it was first slowed down."""

    results: deque[tuple[int, int, int]] = field(default_factory=deque)  # microseconds, results, of them pushed back
    ceiling: float | None = None

    def note(self, now: int, count: int, pushed_back: int) -> None:
        """Add results. now: microseconds."""
        self.results.append((now, count, pushed_back))
        self._forget(now)

    def adapt(self, row: RateLaneRow, allowed: float | None, now: int) -> bool:
        """Change the lane's rate where its results call for it; returns whether it changed.

        allowed: the configured rate a second; None: no limit.
        """
        if now - row.changed_at < WINDOW:
            return False
        self._forget(now)
        count, pushed_back = sum(n for _, n, _ in self.results), sum(p for _, _, p in self.results)
        if pushed_back >= FEWEST and pushed_back >= PUSHED_BACK * count:
            self._slow_down(row, allowed, (count - pushed_back) / (WINDOW / 1e6))
        elif row.per_second is not None and not pushed_back:
            self._speed_up(row, allowed)
        else:
            return False
        row.changed_at = now
        return True

    def _forget(self, now: int) -> None:
        while self.results and self.results[0][0] < now - WINDOW:
            self.results.popleft()

    def _slow_down(self, row: RateLaneRow, allowed: float | None, accepted: float) -> None:
        """accepted: messages a second that the provider took in the window."""
        usual = row.per_second if row.per_second is not None else allowed
        now = accepted if usual is None else min(usual, max(accepted, usual / 4))
        if self.ceiling is None:
            self.ceiling = allowed if allowed is not None else max(accepted, 1.0)
        row.per_second = max(SLOWEST, now / 2)

    def _speed_up(self, row: RateLaneRow, allowed: float | None) -> None:
        assert row.per_second is not None
        ceiling = allowed if allowed is not None else self.ceiling or 2 * row.per_second
        self.ceiling = ceiling
        row.per_second += max(ceiling / _STEPS, SLOWEST)
        if row.per_second >= ceiling:
            row.per_second, self.ceiling = None, None
