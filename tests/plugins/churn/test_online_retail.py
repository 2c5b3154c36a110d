"""A real shop, imported as a shop would: the figures that the churn segmenter has to reach."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automation.config.settings import ModelSettings
from automation.learn import training
from automation.plugin_manager import load_plugins
from automation.warehouse.connect import Warehouse, open_warehouse
from automation_churn.segmenter import ChurnOptions
from benchmarks.churn import HORIZON, Lapse, import_online_retail, measure

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def warehouse(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("online-retail")
    warehouse = open_warehouse(folder / "warehouse")
    report = import_online_retail(warehouse, shared_data / "online-retail" / "online_retail.csv.gz", folder)
    assert (report.lines, report.added, report.quarantined) == (541_909, 396_337, 0)
    assert report.skipped["no customer"] == 135_080
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def found(warehouse: Warehouse) -> Lapse:
    return measure(warehouse, ("logistic",))


def test_recency_alone_is_reproduced(found: Lapse) -> None:
    assert found.auc("recency") == pytest.approx(0.666, abs=0.002)


def test_the_default_reaches_its_figure(found: Lapse) -> None:
    assert ChurnOptions().model == "logistic"
    assert found.auc("logistic") >= 0.735


def test_the_default_is_not_worse_than_a_plain_logistic_regression(found: Lapse) -> None:
    assert found.auc("plain") > 0.735, "the rival is too weak to be compared with"
    difference = found.against_plain("logistic")
    assert difference.high >= 0
    assert difference.value >= 0


def test_training_admits_it_and_its_words_are_those_of_a_shop(warehouse: Warehouse, tmp_path: Path) -> None:
    registry = load_plugins()
    settings = ModelSettings("churn_risk", "segmenters", "churn", ChurnOptions())
    last = warehouse.snapshot(datetime(2012, 1, 1, tzinfo=UTC)).events.occurred_at.max().to_pyarrow().as_py()
    known = warehouse.snapshot(last - HORIZON)
    card = training.train(settings, registry, known, tmp_path, now=last, parts={})
    assert card.admitted
    assert card.because == "admitted: AUC 0.75 beats recency alone, 0.69"
    assert card.metrics["calibration_error"] < 0.05
    loaded: Any = training.load_model(settings, registry, tmp_path, parts={})
    frame = pl.concat(list(loaded.assign(known)))
    said = frame["reasons"].explode(empty_as_null=False)
    assert len(frame) > 3_500
    assert said.str.contains(r"^last bought \d+ days? ago, usually every \d+$").any()
    assert frame["reasons"].list.len().is_between(1, 3).all()
