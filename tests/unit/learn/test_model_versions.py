from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import BaseModel

from automation.config.settings import ModelSettings
from automation.contracts import Model, Options, Snapshot
from automation.errors import BadArtifact, ContractError
from automation.learn import artifacts, model_versions
from automation.learn.artifacts import Card
from automation.plugin_manager import Plugin, Registry
from automation.testing.toy_shop import toy_snapshot

NOW = datetime(2026, 3, 30, 9, 0, tzinfo=UTC)


class GuessOptions(Options):
    quality: float = 0.75
    baseline: float | None = 0.66


class Guess:
    """A model that is exactly as good as it is told to be."""

    Options: ClassVar[type[BaseModel]] = GuessOptions
    judged_by = ("AUC", "recency alone")

    def __init__(self, options: GuessOptions) -> None:
        self.options = options
        self.learned = -1.0

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        self.learned = float(seed)
        known = {"quality": self.options.quality, "baseline": self.options.baseline}
        return {name: value for name, value in known.items() if value is not None}

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        return {"learned": np.array([self.learned])}

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        self.learned = float(arrays["learned"][0])


def settings(**options: Any) -> ModelSettings:
    return ModelSettings("churn_risk", "segmenters", "guess", GuessOptions(**options), seed=3)


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.plugins["guessing"] = Plugin("guessing", "installed", "guessing 1.0", "1.0", ModuleType("guessing"))
    registry.components["segmenters"]["guess"] = (Guess, "guessing")
    return registry


def train(registry: Registry, folder: Path, *, now: datetime = NOW, **options: Any) -> Card:
    return model_versions.train_model(settings(**options), registry, toy_snapshot(), folder, now=now, parts={})


def load(registry: Registry, folder: Path, card: Card, **options: Any) -> Guess:
    model = model_versions.load_model(settings(**options), registry, folder, version=card.version, parts={})
    assert isinstance(model, Guess)
    return model


def test_the_card_says_what_was_trained_from_what(registry: Registry, tmp_path: Path) -> None:
    card = train(registry, tmp_path)
    assert (card.name, card.using, card.seed, card.trained_at) == ("churn_risk", "guess", 3, NOW)
    assert (card.data_version, card.as_of) == ("toy", toy_snapshot().as_of)
    assert card.options == {"quality": 0.75, "baseline": 0.66}
    assert card.metrics == {"quality": 0.75, "baseline": 0.66}
    assert (card.admitted, card.because) == (True, "admitted: AUC 0.75 beats recency alone, 0.66")
    assert artifacts.read_card(tmp_path / "churn_risk" / card.version) == card


def test_a_model_is_used_as_it_was_saved(registry: Registry, tmp_path: Path) -> None:
    card = train(registry, tmp_path)
    assert load(registry, tmp_path, card).learned == 3.0


@pytest.mark.parametrize(
    ("quality", "baseline", "because"),
    [
        (0.61, 0.66, "not admitted: AUC 0.61 does not beat recency alone, 0.66"),
        (0.66, 0.66, "not admitted: AUC 0.660000 does not beat recency alone, 0.660000"),
        (0.6612, 0.6634, "not admitted: AUC 0.661 does not beat recency alone, 0.663"),
    ],
)
def test_a_model_that_does_not_beat_its_baseline_is_not_admitted(
    registry: Registry, tmp_path: Path, quality: float, baseline: float, because: str
) -> None:
    card = train(registry, tmp_path, quality=quality, baseline=baseline)
    assert (card.admitted, card.because) == (False, because)


def test_a_model_without_a_baseline_is_admitted(registry: Registry, tmp_path: Path) -> None:
    card = train(registry, tmp_path, baseline=None)
    assert (card.admitted, card.because) == (True, "admitted: it states no baseline")


def test_evidence_is_told_and_judges_nothing(registry: Registry, tmp_path: Path) -> None:
    asked = settings(baseline=None, quality=0.5)
    registry.components["segmenters"]["guess"] = (type("Bare", (Guess,), {"fit": lambda *a, **k: {}}), "guessing")
    evidence = {"quality": 0.05, "baseline": 0.11}
    card = model_versions.train_model(asked, registry, toy_snapshot(), tmp_path, now=NOW, parts={}, evidence=evidence)
    assert card.metrics == evidence
    assert (card.admitted, card.because) == (True, "admitted: NDCG@10 0.05 does not beat popularity, 0.11")


def test_an_older_version_can_be_loaded(registry: Registry, tmp_path: Path) -> None:
    old = train(registry, tmp_path)
    train(registry, tmp_path, now=NOW + timedelta(days=1))
    assert load(registry, tmp_path, old).learned == 3.0


def test_a_version_trained_with_other_options_is_not_used(registry: Registry, tmp_path: Path) -> None:
    card = train(registry, tmp_path)
    with pytest.raises(BadArtifact) as caught:
        load(registry, tmp_path, card, quality=0.8)
    assert str(caught.value) == (
        "churn_risk was trained with other settings (quality was 0.75, is now 0.8): run `automation train churn_risk`"
    )


def test_the_code_version_follows_the_plugin(registry: Registry, tmp_path: Path) -> None:
    before = train(registry, tmp_path).code_version
    registry.plugins["guessing"] = Plugin("guessing", "installed", "guessing 1.1", "1.1", ModuleType("guessing"))
    after = train(registry, tmp_path).code_version
    assert len(before) == 12
    assert before != after


def test_a_metric_that_is_no_number_is_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"churn_risk: fit\(\) returned quality, not a finite number"):
        train(registry, tmp_path, quality=float("nan"))


def test_a_damaged_version_is_refused(registry: Registry, tmp_path: Path) -> None:
    card = train(registry, tmp_path)
    (tmp_path / "churn_risk" / card.version / "card.json").write_text("{}")
    with pytest.raises(BadArtifact, match="it is not a model's card"):
        load(registry, tmp_path, card)


@pytest.mark.parametrize("arrays", [{}, {"learned": np.zeros(0)}, {"learned": np.zeros((1, 2))}])
def test_arrays_that_the_component_can_not_use_are_refused(
    registry: Registry, tmp_path: Path, arrays: dict[str, np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guess, "save", lambda _: arrays)
    card = train(registry, tmp_path)
    with pytest.raises(BadArtifact, match=r"churn_risk .* can't be loaded \((KeyError|IndexError|TypeError): .*train"):
        load(registry, tmp_path, card)
