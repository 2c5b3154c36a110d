from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from automation.config.settings import ModelSettings
from automation.contracts import Snapshot
from automation.errors import BadArtifact, NotEnoughData
from automation.learn import model_versions
from automation.learn.metrics import auc
from automation.plugin_manager import Plugin, Registry, load_plugins
from automation.testing.lapsing_shop import LAPSING_AS_OF, lapsing_events, lapsing_shop
from automation.testing.toy_shop import toy_events, toy_snapshot
from automation_churn.options import ChurnOptions
from automation_churn.segmenter import Churn


@pytest.fixture(scope="module")
def shop() -> Snapshot:
    return lapsing_shop()


def fitted(shop: Snapshot, **options: Any) -> tuple[Churn, dict[str, float]]:
    churn = Churn(ChurnOptions.model_validate(options))
    return churn, dict(churn.fit(shop, seed=1, parts={}))


def answer(churn: Churn, shop: Snapshot) -> pl.DataFrame:
    return pl.concat(list(churn.assign(shop)))


def test_is_registered_by_its_plugin() -> None:
    registry = load_plugins()
    assert registry.find("segmenters", "churn") is Churn
    assert registry.owner("segmenters", "churn").name == "churn"


@pytest.mark.parametrize(
    "model",
    [
        "logistic",
        *(pytest.param(m, marks=pytest.mark.slow) for m in ("decision_tree", "random_forest", "gradient_boosting")),
    ],
)
def test_learns_what_recency_alone_cannot_tell(shop: Snapshot, model: str) -> None:
    _, metrics = fitted(shop, model=model, horizon="30d")
    assert metrics["quality"] > metrics["baseline"] + 0.015
    assert metrics["calibration_error"] < 0.12
    assert metrics["brier"] < metrics["lapse_rate"] * (1 - metrics["lapse_rate"])
    assert (metrics["auc"], metrics["baseline_auc"]) == (metrics["quality"], metrics["baseline"])


def test_the_score_is_the_chance_of_what_comes_next() -> None:
    """Fitted and asked as of an earlier day, compared with what the customers then did."""
    horizon = timedelta(days=30)
    as_of = LAPSING_AS_OF - horizon
    events = lapsing_events(1500, seed=11)
    churn, _ = fitted(toy_snapshot(as_of, events=events), horizon="30d")
    found = answer(churn, toy_snapshot(as_of, events=events))
    later = events.filter(pl.col("occurred_at") >= as_of)["customer_id"].unique()
    lapsed = (~found["customer_id"].is_in(later.implode())).to_numpy().astype(np.int64)
    score = found["score"].to_numpy()
    assert auc(lapsed, score) > 0.9
    assert score.mean() == pytest.approx(lapsed.mean(), abs=0.05)


def test_the_strongest_reason_describes_the_behaviour(shop: Snapshot) -> None:
    churn, _ = fitted(shop, horizon="30d")
    found = answer(churn, shop).sort("score")
    assert found["reasons"].list.len().min() == 1
    silent = found[-1]["reasons"].item().to_list()
    assert any(reason.startswith("last bought ") and ", usually every " in reason for reason in silent) or (
        "bought only once" in silent
    )


def test_labels_follow_their_least_scores(shop: Snapshot) -> None:
    churn, _ = fitted(shop, labels={"lost": 0.8, "at risk": 0.5})
    found = answer(churn, shop)
    expected = pl.Series("label", ["lost" if s >= 0.8 else "at risk" if s >= 0.5 else None for s in found["score"]])
    assert found["label"].to_list() == expected.to_list()
    assert found["label"].null_count() > 0


def test_customers_who_never_bought_are_absent() -> None:
    events = lapsing_events(300, seed=5)
    looked = events[0].with_columns(customer_id=pl.lit("looker"), event_id=pl.lit("x"), type=pl.lit("view"))
    churn, _ = fitted(toy_snapshot(LAPSING_AS_OF, events=pl.concat([events, looked])))
    found = answer(churn, toy_snapshot(LAPSING_AS_OF, events=pl.concat([events, looked])))
    assert "looker" not in found["customer_id"]
    assert set(found["customer_id"]) == set(events["customer_id"])


def test_frames_are_of_50_000_at_most(monkeypatch: pytest.MonkeyPatch, shop: Snapshot) -> None:
    monkeypatch.setattr("automation_churn.examples.BATCH", 150)
    churn, _ = fitted(shop)
    frames = list(churn.assign(shop))
    assert [len(frame) for frame in frames] == [150, 150, 100]
    whole = pl.concat(frames)
    monkeypatch.undo()
    assert answer(churn, shop).equals(whole)


def test_a_large_shop_is_sampled_for_the_fit(monkeypatch: pytest.MonkeyPatch, shop: Snapshot) -> None:
    monkeypatch.setattr("automation_churn.examples.LARGEST_FIT", 300)
    churn, metrics = fitted(shop)
    assert 250 < metrics["customers"] < 350
    assert len(answer(churn, shop)) == 400


def test_few_lapses_are_learned_without_bending_the_probability() -> None:
    """About one in ten lapses: the ranking is still learned, and the average promise is still true."""
    data = toy_snapshot(LAPSING_AS_OF, events=lapsing_events(1500, seed=9, longest=2500))
    churn, metrics = fitted(data, history="120d")
    assert metrics["lapse_rate"] < 0.12
    assert metrics["quality"] > metrics["baseline"]
    assert answer(churn, data)["score"].mean() == pytest.approx(metrics["lapse_rate"], abs=0.03)


def test_a_small_shop_is_not_enough_data() -> None:
    with pytest.raises(NotEnoughData) as caught:
        fitted(toy_snapshot(), horizon="30d")
    assert str(caught.value) == (
        "not enough data: needs customers with purchases before 2026-01-29, at least 50 who bought again in the 30 "
        "days from 2026-01-29 and 50 who did not, has 2 who did and 2 who did not"
    )


def test_a_young_shop_is_not_enough_data(shop: Snapshot) -> None:
    with pytest.raises(NotEnoughData, match="has 0 who did and 0 who did not"):
        fitted(shop, horizon="300d")


def only_recency_matters() -> pl.DataFrame:
    """800 customers with one purchase up to 180 days before the first cut; in either window they buy again with a
    chance that falls with the days since their last purchase, and with nothing else."""
    draws = np.random.default_rng(6)
    last = draws.uniform(120, 300, 800)  # days before the end
    bought = [(np.arange(800), last.copy())]
    for start in (120, 60):
        again = np.flatnonzero(draws.random(800) < np.exp(-(last - start) / 90))
        last[again] = draws.uniform(start - 60, start, len(again))
        bought.append((again, last[again]))
    who, ago = (np.concatenate(column) for column in zip(*bought, strict=True))
    made = pl.DataFrame({"who": who, "ago": ago}).select(
        event_id=pl.int_range(pl.len()).cast(pl.String),
        customer_id="c" + pl.col("who").cast(pl.String),
        type=pl.lit("purchase"),
        occurred_at=pl.lit(LAPSING_AS_OF) - pl.duration(seconds=pl.col("ago") * 86_400),
    )
    return pl.concat([toy_events().clear(), made], how="diagonal")


def test_a_model_that_does_not_beat_recency_is_not_admitted(tmp_path: Path) -> None:
    registry = Registry()
    registry.plugins["churn"] = Plugin("churn", "installed", "churn 1", "1", ModuleType("churn"))
    registry.components["segmenters"]["churn"] = (Churn, "churn")
    settings = ModelSettings("churn_risk", "segmenters", "churn", ChurnOptions(model="decision_tree"))
    data = toy_snapshot(LAPSING_AS_OF, events=only_recency_matters())
    card = model_versions.train_model(settings, registry, data, tmp_path, now=LAPSING_AS_OF, parts={})
    assert card.metrics["quality"] <= card.metrics["baseline"]
    assert not card.admitted
    assert re.fullmatch(r"not admitted: AUC 0\.\d+ does not beat recency alone, 0\.\d+", card.because)


def test_is_kept_and_loaded_by_training(tmp_path: Path, shop: Snapshot) -> None:
    registry = load_plugins()
    settings = ModelSettings("churn_risk", "segmenters", "churn", ChurnOptions(horizon=timedelta(days=30)))
    card = model_versions.train_model(settings, registry, shop, tmp_path, now=LAPSING_AS_OF, parts={})
    assert card.admitted
    assert json.loads(json.dumps(card.options))["horizon"] == "30d"
    loaded: Any = model_versions.load_model(settings, registry, tmp_path, version=card.version, parts={})
    assert answer(loaded, shop).equals(answer(fitted(shop, horizon="30d")[0], shop))


def test_an_unfitted_model_raises(shop: Snapshot) -> None:
    with pytest.raises(BadArtifact, match="is not trained yet"):
        list(Churn(ChurnOptions()).assign(shop))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"columns": np.zeros(3, np.uint8)}, "another version of the plugin wrote them"),
        ({"format": np.array([2])}, "another version of the plugin wrote them"),
        ({"calibration": np.zeros(3)}, "the calibration has the wrong shape"),
        ({"classifier.coefficients": np.zeros(3)}, r"coefficients have shape \(3,\)"),
    ],
)
def test_refuses_arrays_of_another_version(shop: Snapshot, change: dict[str, Any], told: str) -> None:
    arrays = dict(fitted(shop)[0].save())
    with pytest.raises(BadArtifact, match=told):
        Churn(ChurnOptions()).load(arrays | change, parts={})
    with pytest.raises(BadArtifact, match="not the arrays of a random_forest churn model: 'left' is missing"):
        Churn(ChurnOptions(model="random_forest")).load(arrays, parts={})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"horizon": "60"}, "write a whole number and a unit"),
        ({"horizon": "10h"}, "horizon must be at least 1d"),
        ({"history": "60d"}, "history must be at least twice the horizon"),
        ({"model": "svm"}, "'logistic', 'decision_tree', 'random_forest' or 'gradient_boosting'"),
        ({"labels": {"lost": 1.5}}, "a minimum score is a probability"),
        ({"labels": {"lost": 0.5, "gone": 0.5}}, "two labels have the same minimum score"),
        ({"bought": []}, "at least 1 item"),
        ({"horizont": "60d"}, "Extra inputs are not permitted"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ChurnOptions.model_validate(options)
    assert told in str(caught.value)
