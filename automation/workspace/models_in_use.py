"""The models in use: which version of each, as the store records it, and the fitted model itself."""

from __future__ import annotations

from collections.abc import Mapping

from automation.contracts import Model
from automation.errors import BadArtifact
from automation.learn.artifacts import Card, parse_card
from automation.learn.model_versions import load_model
from automation.store import model_cards
from automation.workspace.workspace import Workspace


def active_versions(workspace: Workspace) -> dict[str, str]:
    """The model versions that a run which starts now uses."""
    with workspace.store.reading() as connection:
        return model_cards.active_versions(connection)


def load_trained_model(workspace: Workspace, name: str, versions: Mapping[str, str]) -> Model:
    """A fitted model of config.yaml, with its parts, in the version that `versions` has. Raises `BadArtifact`."""
    settings = workspace.project.settings.models[name]
    if name not in versions:
        raise BadArtifact(_why_unusable(name, trained_versions(workspace, name)))
    parts = {part: load_trained_model(workspace, part, versions) for part in settings.parts}
    return load_model(settings, workspace.project.registry, workspace.models, version=versions[name], parts=parts)


def trained_versions(workspace: Workspace, name: str) -> list[Card]:
    """The cards of every trained version, the newest first."""
    with workspace.store.reading() as connection:
        return [parse_card(text) for text in model_cards.list_cards(connection, name)]


def _why_unusable(name: str, cards: list[Card]) -> str:
    if not cards:
        return f"{name} has never been trained: run `automation train {name}`"
    if any(card.admitted for card in cards):
        return f"{name} was first trained after this run chose its models; the next run uses it"
    newest = cards[0]
    return (
        f"{name} can't be used: its newest version, {newest.version}, was {newest.because}; "
        f"leave it out of the campaign, or train it again when there is more data: `automation train {name}`"
    )
