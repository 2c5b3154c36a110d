"""A component that learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from automation.contracts.component import Component
from automation.contracts.snapshot import Snapshot

if TYPE_CHECKING:
    import numpy as np


@runtime_checkable
class Model(Component, Protocol):
    """A component that learns. The core owns its files, its card and their checksums."""

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Learn from scratch and return metrics. Raises `NotEnoughData`. `parts` are the models it builds on."""
        ...

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Everything learned, as arrays without object dtype; text as uint8 (`automation.learn` has no say in it)."""
        ...

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Take back what `save` gave. Raises `BadArtifact`."""
        ...
