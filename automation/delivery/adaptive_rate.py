"""How a lane's pace follows its provider: halved when it is pushed back, raised step by step while it isn't (AIMD)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from automation.store.ledger.rate_lanes import RateLaneRow

WINDOW = 5_000_000
"""Microseconds of results that a lane is judged by."""
PUSHED = 0.1
"""The share of results that were pushed back, above which a lane slows down."""
FEWEST = 10
"""Fewer push-backs than this in the window change nothing."""
SLOWEST = 0.1
_STEPS = 20


@dataclass
class AdaptiveRate:
    """What came back on one lane lately. `ceiling` is what it carried when it was first slowed down."""

    results: deque[tuple[int, int, int]] = field(default_factory=deque)  # when, how many, how many pushed back
    ceiling: float | None = None

    def note(self, now: int, count: int, pushed: int) -> None:
        self.results.append((now, count, pushed))
        while self.results and self.results[0][0] < now - WINDOW:
            self.results.popleft()

    def follow(self, row: RateLaneRow, allowed: float | None, now: int) -> bool:
        """Change the lane's pace where that is called for; returns whether it was."""
        if now - row.changed_at < WINDOW:
            return False
        while self.results and self.results[0][0] < now - WINDOW:
            self.results.popleft()
        count, pushed = sum(n for _, n, _ in self.results), sum(p for _, _, p in self.results)
        if pushed >= FEWEST and pushed >= PUSHED * count:
            self._slow_down(row, allowed, (count - pushed) / (WINDOW / 1e6))
        elif row.per_second is not None and not pushed:
            self._speed_up(row, allowed)
        else:
            return False
        row.changed_at = now
        return True

    def _slow_down(self, row: RateLaneRow, allowed: float | None, carried: float) -> None:
        usual = row.per_second if row.per_second is not None else allowed
        now = carried if usual is None else min(usual, max(carried, usual / 4))
        if self.ceiling is None:
            self.ceiling = allowed if allowed is not None else max(carried, 1.0)
        row.per_second = max(SLOWEST, now / 2)

    def _speed_up(self, row: RateLaneRow, allowed: float | None) -> None:
        assert row.per_second is not None
        ceiling = allowed if allowed is not None else self.ceiling or 2 * row.per_second
        self.ceiling = ceiling
        row.per_second += max(ceiling / _STEPS, SLOWEST)
        if row.per_second >= ceiling:
            row.per_second, self.ceiling = None, None
