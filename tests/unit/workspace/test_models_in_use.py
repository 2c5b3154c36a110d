"""The model in use is the one that the store says, whatever lies on disk."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.toy_project import CONFIG, toy_project

from automation.clock import ManualClock
from automation.errors import BadArtifact
from automation.learn.artifacts import Card
from automation.reporting.doctor import diagnose
from automation.runner.launch import launch
from automation.runner.plan import plan
from automation.runner.training import train_models
from automation.store import model_cards
from automation.testing.toy_shop import TOY_AS_OF
from automation.workspace.campaigns import valid_campaign
from automation.workspace.models_in_use import active_versions, load_trained_model, models_of, trained_versions
from automation.workspace.workspace import Workspace, open_workspace

PLUGIN = '''
"""A model that is exactly as good as the file `quality` says."""

from pathlib import Path

import numpy as np

from automation.contracts import Options
from automation.hookspecs import hookimpl


class Guess:
    Options = Options
    judged_by = ("AUC", "recency alone")

    def __init__(self, options):
        self.quality = float(Path(__file__).with_name("quality").read_text())

    def fit(self, data, *, seed, parts):
        return {"quality": self.quality, "baseline": 0.66}

    def save(self):
        return {"quality": np.array([self.quality])}

    def load(self, arrays, *, parts):
        self.learned = float(arrays["quality"][0])

    def assign(self, data):
        yield from ()


@hookimpl
def register_segmenters(register):
    register("guess", Guess)
'''


@pytest.fixture
def toy(tmp_path: Path) -> Any:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/guess.py").write_text(PLUGIN)
    (tmp_path / "plugins/quality").write_text("0.75")
    with toy_project(tmp_path, config=CONFIG + "models: {churn_risk: {using: guess}}\n") as workspace:
        yield workspace


def train(toy: Workspace, quality: str) -> Card:
    assert isinstance(toy.clock, ManualClock)
    toy.clock.advance(timedelta(hours=1))
    (toy.project.root / "plugins/quality").write_text(quality)
    (card,) = train_models(toy)
    return card


def learned(toy: Workspace) -> float:
    model: Any = load_trained_model(toy, "churn_risk", active_versions(toy))
    return float(model.learned)


def test_a_model_that_was_never_trained_says_what_to_do(toy: Workspace) -> None:
    with pytest.raises(BadArtifact) as caught:
        learned(toy)
    assert str(caught.value) == "churn_risk has never been trained: run `automation train churn_risk`"


def test_the_newest_admitted_version_is_in_use(toy: Workspace) -> None:
    train(toy, "0.75")
    new = train(toy, "0.80")
    lost = train(toy, "0.50")
    assert active_versions(toy) == {"churn_risk": new.version}
    assert learned(toy) == 0.8
    assert [card.version for card in trained_versions(toy, "churn_risk")][:2] == [lost.version, new.version]


def test_a_model_that_never_beat_its_baseline_is_not_used(toy: Workspace) -> None:
    card = train(toy, "0.61")
    with pytest.raises(BadArtifact) as caught:
        learned(toy)
    assert str(caught.value) == (
        f"churn_risk can't be used: its newest version, {card.version}, was not admitted: AUC 0.61 does not beat "
        "recency alone, 0.66; leave it out of the campaign, or train it again when there is more data: "
        "`automation train churn_risk`"
    )


def test_a_version_on_disk_that_the_store_does_not_know_is_not_used(toy: Workspace) -> None:
    train(toy, "0.75")
    for path in (toy.project.data_dir).glob("store.db*"):
        path.unlink()
    with open_workspace(toy.project.root, clock=ManualClock(TOY_AS_OF)) as fresh:
        assert list((fresh.models / "churn_risk").iterdir())
        with pytest.raises(BadArtifact, match="has never been trained"):
            load_trained_model(fresh, "churn_risk", active_versions(fresh))


def test_a_run_that_chose_its_models_before_the_first_training_says_so(toy: Workspace) -> None:
    train(toy, "0.75")
    with pytest.raises(BadArtifact, match="was first trained after this run chose its models"):
        load_trained_model(toy, "churn_risk", {})


def test_a_run_uses_the_version_that_it_chose(toy: Workspace) -> None:
    old = train(toy, "0.75")
    train(toy, "0.80")
    model: Any = load_trained_model(toy, "churn_risk", {"churn_risk": old.version})
    assert model.learned == 0.75
    with toy.store.reading() as connection:
        assert model_cards.active_versions(connection) != {"churn_risk": old.version}


WITH_MODELS = """models:
  churn_risk: {using: guess}
  young: {using: guess, max_age: 2d}
  part: {using: guess}
  whole: {using: guess, parts: [part]}
  unused: {using: guess}
"""
USES = """
name: toy
topic: promotions
schedule: {every: day 09:00}
audience: {all: [{segment: likely}, {not: {segment: whole, score: at least 0.5}}]}
send: {channels: [email], template: toy}
"""


def test_an_old_model_that_a_launched_campaign_uses_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/guess.py").write_text(PLUGIN)
    (tmp_path / "plugins/quality").write_text("0.75")
    likely = "  likely: {all: [{segment: churn_risk}, {not: {segment: young}}]}\n"
    config = CONFIG.replace("segments:\n", "segments:\n" + likely) + WITH_MODELS
    with toy_project(tmp_path, config=config, campaign=USES) as toy:
        assert isinstance(toy.clock, ManualClock)
        train_models(toy)
        launch(toy, "toy", by="test", audience=None)
        assert models_of(valid_campaign(toy.project, "toy"), toy.project.settings) == [
            "churn_risk", "part", "whole", "young",
        ]  # fmt: skip
        assert old_models(toy) == []
        toy.clock.advance(timedelta(days=2, seconds=1))
        sentence = "model young was trained 2 days ago, and may be 2d old (max_age); train it again: "
        assert old_models(toy) == [f"{sentence}automation train young; toy uses it"]
        assert plan(toy, "toy", samples=0, preflight="off").warnings == [f"{sentence}automation train young"]
        toy.clock.advance(timedelta(days=28))
        assert [text.split()[1] for text in old_models(toy)] == ["churn_risk", "part", "whole", "young"]
        train_models(toy)
        assert old_models(toy) == []


def old_models(toy: Workspace) -> list[str]:
    return [check.detail for check in diagnose(toy).checks if check.name == "models"]
