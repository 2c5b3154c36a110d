"""The models in use: which version of each, as the store records it, and the fitted model itself."""

from __future__ import annotations

from collections.abc import Mapping

from automation.config.settings import Settings
from automation.contracts import Model
from automation.errors import BadArtifact
from automation.learn.artifacts import Card, parse_card
from automation.learn.model_versions import load_model
from automation.rules.reads import named_segments
from automation.store import model_cards
from automation.types.campaign import Campaign
from automation.types.condition import Using
from automation.types.plural import format_count
from automation.types.quantity import format_duration
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


def models_of(campaign: Campaign, settings: Settings) -> list[str]:
    """The models of config.yaml that the campaign uses, and the parts that these build on; sorted."""
    sends = campaign.sends.values()
    wanted = [campaign.recommend, campaign.offer, *(one.recommend for one in sends), *(one.offer for one in sends)]
    using = [getattr(one, key, None) for one in wanted for key in ("using", "otherwise")]
    waiting = [*named_segments(campaign, settings.segments), *(one.name for one in using if isinstance(one, Using))]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in settings.models and name not in found:
            found.add(name)
            waiting += settings.models[name].parts
    return sorted(found)


def describe_old_models(workspace: Workspace, campaign: Campaign) -> dict[str, str]:
    """By model that the campaign uses and that is older than its `max_age`: a sentence with what to do."""
    settings, now = workspace.project.settings, workspace.clock.now()
    with workspace.store.reading() as connection:
        trained = model_cards.trained_at(connection)
    ages = {name: now - trained[name] for name in models_of(campaign, settings) if name in trained}
    return {
        name: f"model {name} was trained {format_count(age.days, 'day')} ago, and may be "
        f"{format_duration(settings.models[name].max_age)} old (max_age); train it again: automation train {name}"
        for name, age in ages.items()
        if age > settings.models[name].max_age
    }


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
