"""The versions of the models that config.yaml names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automation.learn.artifacts import Card
from automation.workspace.models_in_use import trained_versions
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class TrainedModels:
    """Every version kept, the newest first, and the names of models that were never trained."""

    cards: Sequence[Card]
    never_trained: Sequence[str]

    def to_json(self) -> dict[str, object]:
        return {"models": [card_json(card) for card in self.cards], "never_trained": list(self.never_trained)}


def trained_models(workspace: Workspace) -> TrainedModels:
    names = list(workspace.project.settings.models)
    found = [card for name in names for card in trained_versions(workspace, name)]
    trained = {card.name for card in found}
    return TrainedModels(found, [name for name in names if name not in trained])


def card_json(card: Card) -> dict[str, object]:
    """One version of a model."""
    names = ("name", "version", "using", "admitted", "because", "metrics", "trained_at", "data_version", "seed")
    return {name: getattr(card, name) for name in names}
