"""What an experiment's counts say, and how surely."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959964


@dataclass(frozen=True)
class Lift:
    """Converted customers among the contacted against those among the held out.

    difference: of the two shares; low, high: its 95 % interval (Newcombe 1998, method 10, from Wilson's intervals).
    """

    contacted: int
    contacted_converted: int
    held_out: int
    held_out_converted: int
    difference: float
    low: float
    high: float


def lift(contacted_converted: int, contacted: int, held_out_converted: int, held_out: int) -> Lift | None:
    """None where one of the groups is empty: nothing can be said then."""
    if not contacted or not held_out:
        return None
    interval = difference_interval(contacted_converted, contacted, held_out_converted, held_out)
    return Lift(contacted, contacted_converted, held_out, held_out_converted, *interval)


def difference_interval(converted: int, of: int, other_converted: int, other_of: int) -> tuple[float, float, float]:
    """The difference of two shares and its 95 % interval (Newcombe 1998, method 10)."""
    share, low, high = share_interval(converted, of)
    other, other_low, other_high = share_interval(other_converted, other_of)
    difference = share - other
    return (
        difference,
        difference - math.hypot(share - low, other_high - other),
        difference + math.hypot(high - share, other - other_low),
    )


def share_interval(converted: int, of: int) -> tuple[float, float, float]:
    """A share and its 95 % interval (Wilson 1927)."""
    share, square = converted / of, Z95**2
    middle = (2 * converted + square) / (2 * (of + square))
    half = Z95 * math.sqrt(square + 4 * converted * (1 - share)) / (2 * (of + square))
    return share, middle - half, middle + half
