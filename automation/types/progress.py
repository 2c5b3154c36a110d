"""Reports how far long work is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the stage (`planning`, `sending`), how many are done, and how many there are in all."""


def quiet(_stage: str, _done: int, _all: int) -> None:
    """Ignores progress."""
