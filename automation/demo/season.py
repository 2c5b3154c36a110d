"""The demo shop's year: when people buy, what they buy in each month, and when there is a sale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# First and last day of the year, and the share taken off the price.
_SALES = ((2, 20, 0.30), (176, 193, 0.25), (324, 334, 0.20))
_BUSY = ((1, 20, 1.1), (75, 160, 1.15), (190, 235, 0.75), (320, 355, 2.1))
# For months 1–12, the factor by which more of a category is bought.
_CATEGORY_MONTHS: dict[str, tuple[float, ...]] = {
    "garden": (0.2, 0.5, 1.8, 3.0, 3.2, 2.2, 1.3, 0.9, 0.7, 0.4, 0.2, 0.2),
    "candles": (1.2, 1.0, 0.7, 0.5, 0.4, 0.3, 0.3, 0.5, 1.0, 1.6, 2.4, 2.8),
    "tea": (1.5, 1.4, 1.1, 0.9, 0.7, 0.6, 0.6, 0.7, 1.0, 1.3, 1.5, 1.5),
    "lamps": (1.2, 1.0, 0.8, 0.7, 0.6, 0.5, 0.6, 0.9, 1.4, 1.6, 1.5, 1.2),
    "textiles": (1.4, 1.2, 0.9, 0.8, 0.8, 0.7, 0.7, 0.8, 1.1, 1.3, 1.3, 1.2),
    "gifts": (0.6, 1.0, 0.8, 1.0, 1.2, 0.8, 0.7, 0.7, 0.8, 1.0, 2.0, 3.4),
    "furniture": (1.2, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9, 1.0, 1.1, 1.0, 0.9, 0.6),
}


@dataclass(frozen=True)
class Period:
    """A span of time: days are counted from `start`, as floats, up to `days`."""

    start: datetime
    days: float

    def instants(self, at: Floats) -> Ints:
        """Microseconds since 1970 of the days, cut to whole seconds."""
        seconds = np.floor(at * 86_400).astype(np.int64)
        instants: Ints = (int(self.start.astimezone(UTC).timestamp()) + seconds) * 1_000_000
        return instants

    def day_of_year(self, at: Floats) -> Ints:
        """0 for 1 January."""
        day = self.instants(at).astype("datetime64[us]").astype("datetime64[D]")
        since: Ints = (day - day.astype("datetime64[Y]")).astype(np.int64)
        return since

    def month(self, at: Floats) -> Ints:
        """0 for January."""
        month: Ints = self.instants(at).astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        return month % 12


PEAK = max(factor for _, _, factor in _BUSY)


def busyness(period: Period, at: Floats) -> Floats:
    """The factor by which more is bought on that day than on an ordinary one, at most `PEAK`."""
    return _by_day(_BUSY, otherwise=1.0)[period.day_of_year(at)]


def sale(period: Period, at: Floats) -> Floats:
    """The discount of that day's sale, 0 without a sale."""
    return _by_day(_SALES, otherwise=0.0)[period.day_of_year(at)]


def category_factors(categories: tuple[str, ...]) -> Floats:
    """Shape (12 months, categories)."""
    flat = (1.0,) * 12
    return np.array([_CATEGORY_MONTHS.get(name, flat) for name in categories]).T


def _by_day(spans: tuple[tuple[int, int, float], ...], otherwise: float) -> Floats:
    year = np.full(366, otherwise)
    for first, last, value in spans:
        year[first - 1 : last] = value
    return year
