"""The only place that reads the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where a function that needs the time gets it from."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told to: for tests, and for the demo's accelerated weeks."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def advance(self, by: timedelta) -> None:
        self._at += by

    def set(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)


def monotonic() -> float:
    """Seconds that never go back, for measuring how long something took."""
    return time.monotonic()


def steady() -> float:
    """Seconds that never jump, however the clock is set; the machine's sleep counts where the system can tell."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


def to_millis(at: datetime) -> int:
    """Milliseconds since 1970 in UTC, as the store keeps instants."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return int(at.timestamp() * 1000)


def in_millis(length: timedelta) -> int:
    """A length of time in milliseconds, the part below one left out."""
    return length // timedelta(milliseconds=1)


def from_millis(millis: int) -> datetime:
    """The instant of `to_millis`, aware, in UTC."""
    return datetime.fromtimestamp(millis / 1000, UTC)
