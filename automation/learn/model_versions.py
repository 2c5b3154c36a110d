"""Versions of a named model: fit one, decide whether it may be used, store it, and load it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, JsonValue

import automation
from automation.contracts import judged_by
from automation.contracts.answers import check_metrics
from automation.errors import AutomationError, BadArtifact
from automation.ids import content_hash
from automation.learn import artifacts
from automation.learn.artifacts import Card

if TYPE_CHECKING:
    from automation.config.settings import ModelSettings
    from automation.contracts import Model, Snapshot
    from automation.plugin_manager import Registry


def train_model(
    model: ModelSettings,
    registry: Registry,
    snapshot: Snapshot,
    folder: Path,
    *,
    now: datetime,
    parts: Mapping[str, Model],
    evidence: Mapping[str, float] | None = None,
) -> Card:
    """Fit `model` on the snapshot and store it under `folder/<name>/<version>/`, whether or not it is admitted.

    `evidence` has further metrics, such as those of `backtest`. They are stored but don't decide: a recommender that
    loses to the most popular products may still be the right one for a campaign's products.
    A component can name its quality and baseline: `judged_by = ("AUC", "recency alone")`.
    Raises `NotEnoughData` from the component, and `ContractError` for metrics or arrays that can't be stored.
    """
    component: Model = registry.find(model.kind, model.using)(model.options)
    metrics = check_metrics(component.fit(snapshot, seed=model.seed, parts=parts), model.name)
    admitted, because = admit(metrics, judged_by(component))
    if evidence and "quality" not in metrics:
        because = f"admitted: {_compare_quality(evidence, ('NDCG@10', 'popularity'))[1]}"
    card = Card(
        name=model.name,
        version="",
        using=model.using,
        options=_written(model.options),
        seed=model.seed,
        trained_at=now,
        data_version=snapshot.version,
        as_of=snapshot.as_of,
        code_version=code_version(model, registry),
        metrics=dict(evidence or {}) | metrics,
        admitted=admitted,
        because=because,
        sha256="",
    )
    return artifacts.write_artifact(folder, card, component.save())


def admit(metrics: Mapping[str, float], judged_by: tuple[str, str]) -> tuple[bool, str]:
    """Whether a model may be used, and why; one with `quality` and `baseline` only if quality is higher."""
    if not {"quality", "baseline"} <= metrics.keys():
        return True, "admitted: it states no baseline"
    better, comparison = _compare_quality(metrics, judged_by)
    return better, f"{'admitted' if better else 'not admitted'}: {comparison}"


def _compare_quality(metrics: Mapping[str, float], judged_by: tuple[str, str]) -> tuple[bool, str]:
    measure, baseline_name = judged_by
    quality, baseline = metrics["quality"], metrics["baseline"]
    digits = next((n for n in (2, 3, 4) if f"{quality:.{n}f}" != f"{baseline:.{n}f}"), 6)
    better = quality > baseline
    verb = "beats" if better else "does not beat"
    return better, f"{measure} {quality:.{digits}f} {verb} {baseline_name}, {baseline:.{digits}f}"


def code_version(model: ModelSettings, registry: Registry) -> str:
    """12 hex digits for the code that trains and scores: the core's version and the plugin's."""
    plugin = registry.owner(model.kind, model.using)
    return content_hash(automation.__version__, plugin.name, plugin.version)[:12]


def load_model(
    model: ModelSettings,
    registry: Registry,
    folder: Path,
    *,
    version: str,
    parts: Mapping[str, Model],
) -> Model:
    """The component as that version saved it. Raises `BadArtifact`."""
    card, arrays = artifacts.read_artifact(artifacts.version_folder(folder, model.name, version))
    _check_settings(model, card)
    component: Model = registry.find(model.kind, model.using)(model.options)
    try:
        component.load(arrays, parts=parts)
    except AutomationError:
        raise
    except Exception as error:  # arrays of another shape, or too few: this model's runs stop, nothing else
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise BadArtifact(
            f"{model.name} {version} can't be loaded ({what}): run `automation train {model.name}`"
        ) from error
    return component


def _check_settings(model: ModelSettings, card: Card) -> None:
    """Refuse a version that was trained with other settings."""
    now: dict[str, Any] = {"using": model.using, **_written(model.options)}
    then: dict[str, Any] = {"using": card.using, **card.options}
    changed = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
    if changed:
        changes = "; ".join(f"{key} was {then.get(key)}, is now {now.get(key)}" for key in changed)
        raise BadArtifact(
            f"{model.name} was trained with other settings ({changes}): run `automation train {model.name}`"
        )


def _written(options: BaseModel) -> dict[str, JsonValue]:
    return options.model_dump(mode="json")
