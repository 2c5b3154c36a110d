"""Trains the models in config.yaml, each after the models that it is built on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from automation.config.settings import ModelSettings
from automation.contracts import Model
from automation.errors import ConfigurationError, NotEnoughData
from automation.inbound.flush import flush_events
from automation.learn import artifacts
from automation.learn.artifacts import Card
from automation.learn.backtest import backtest
from automation.learn.model_versions import train_model
from automation.store import model_cards
from automation.warehouse.embedded import Warehouse
from automation.workspace.models_in_use import load_trained_model
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace


def train_models(
    workspace: Workspace, names: Sequence[str] = (), *, progress: Callable[[str], None] = lambda _name: None
) -> list[Card]:
    """Train these models, or all if none is named, on the warehouse as it is; returns their cards.

    A model that does not beat its baseline is kept with its metrics but never used. Raises `NotEnoughData`.
    """
    cards = []
    warehouse = workspace.warehouse()
    try:
        flush_events(workspace, warehouse)
        for name in order_models(workspace, names):
            progress(name)
            with workspace.store.reading() as connection:
                versions = model_cards.active_versions(connection)
            now = workspace.clock.now()
            data = snapshot(workspace, warehouse, now, with_decisions=False, versions=versions)
            settings = workspace.project.settings.models[name]
            parts = {part: load_trained_model(workspace, part, versions) for part in settings.parts}
            evidence = (
                _backtest(workspace, warehouse, settings, versions, parts) if settings.kind == "recommenders" else {}
            )
            card = train_model(
                settings, workspace.project.registry, data, workspace.models, now=now, parts=parts, evidence=evidence
            )
            with workspace.store.transaction() as connection:
                model_cards.add_card(
                    connection,
                    name=name,
                    version=card.version,
                    fitted_at=now,
                    admitted=card.admitted,
                    card=json.dumps(artifacts.dump_card(card)),
                )
            cards.append(card)
    finally:
        warehouse.close()
    return cards


def _backtest(
    workspace: Workspace,
    warehouse: Warehouse,
    settings: ModelSettings,
    versions: Mapping[str, str],
    parts: Mapping[str, Model],
) -> Mapping[str, float]:
    """How well the recommender would have predicted the last month; empty without enough data."""
    cls = workspace.project.registry.find("recommenders", settings.using)
    at = partial(snapshot, workspace, warehouse, with_decisions=False, versions=versions)
    try:
        return backtest(lambda: cls(settings.options), at, workspace.clock.now(), seed=settings.seed, parts=parts)
    except NotEnoughData:
        return {}


def order_models(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """The models to train, parts first. Raises `ConfigurationError` for a name that config.yaml does not have."""
    known = workspace.project.settings.models
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigurationError(f"config.yaml has no model {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
    ordered: dict[str, None] = {}

    def add(name: str) -> None:
        for part in known[name].parts:
            add(part)
        ordered.setdefault(name)

    for name in names or known:
        add(name)
    return list(ordered)
