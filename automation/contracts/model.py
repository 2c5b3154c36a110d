"""A component that learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from automation.contracts.component import Component
from automation.contracts.snapshot import Snapshot

if TYPE_CHECKING:
    import numpy as np

QUALITY, BASELINE = "quality", "baseline"
"""Metrics that decide whether a model may be used: where `fit` returns both, quality must be above the baseline."""


@runtime_checkable
class Model(Component, Protocol):
    """A component that learns. The core owns its files, its card and their checksums."""

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Learn from scratch and return metrics, finite numbers by name. The same data and seed give the same model.

        parts: the models that this one builds on, by name. Raises `NotEnoughData(needs, has)`.
        """
        ...

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Everything learned, as arrays of numbers by name; text as uint8, nothing that needs unpickling."""
        ...

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Restore what `save` returned. Raises `BadArtifact`."""
        ...


@runtime_checkable
class JudgedModel(Model, Protocol):
    """Optional: a model that names what its metrics `quality` and `baseline` measure: `("AUC", "recency alone")`."""

    judged_by: ClassVar[tuple[str, str]]


def judged_by(model: object) -> tuple[str, str]:
    """The measure and the baseline that the model (its class or an instance) is judged by, in words."""
    return model.judged_by if isinstance(model, JudgedModel) else ("quality", "the baseline")
