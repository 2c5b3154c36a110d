"""The churn segmenter reaches its reference figures on the data of a real shop."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automation.config.settings import ModelSettings
from automation.learn import model_versions
from automation.plugin_manager import load_plugins
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.importing.importer import import_files
from automation.warehouse.importing.mapping import load_mapping
from automation_churn.options import ChurnOptions

pytestmark = [pytest.mark.data, pytest.mark.slow]
BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
AFTERWARDS = datetime(2012, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def measured(shared_data: Path) -> dict[str, dict[str, Any]]:
    """The rows of the quick benchmark by measure; its targets are met."""
    command = [sys.executable, str(BENCHMARKS / "churn.py"), "--quick", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {row["measure"].strip(): row for row in json.loads(done.stdout)}


def test_recency_alone_is_reproduced(measured: dict[str, dict[str, Any]]) -> None:
    assert measured["recency alone, AUC"]["value"] == pytest.approx(0.666, abs=0.002)


def test_the_default_reaches_its_figure(measured: dict[str, dict[str, Any]]) -> None:
    assert measured["churn at its defaults (logistic), AUC"]["value"] >= 0.735


def test_the_default_is_not_worse_than_a_plain_logistic_regression(measured: dict[str, dict[str, Any]]) -> None:
    assert measured["plain logistic regression, AUC"]["value"] > 0.735, "the rival is too weak to be compared with"
    assert measured["its AUC less the plain one's"]["value"] >= 0
    assert measured["the same, high end: below 0 would be worse"]["value"] >= 0


@pytest.fixture(scope="module")
def warehouse(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("online-retail")
    warehouse = open_warehouse(folder / "warehouse")
    report = import_files(
        warehouse,
        load_plugins(),
        "events",
        [shared_data / "online-retail" / "online_retail.csv.gz"],
        load_mapping(BENCHMARKS / "online_retail.yaml"),
        quarantine=folder / "quarantine.csv",
        now=AFTERWARDS,
    )
    assert (report.lines, report.added, report.quarantined) == (541_909, 396_337, 0)
    assert report.skipped["no customer"] == 135_080
    yield warehouse
    warehouse.close()


def test_training_admits_it_and_its_words_are_those_of_a_shop(warehouse: Warehouse, tmp_path: Path) -> None:
    registry = load_plugins()
    settings = ModelSettings("churn_risk", "segmenters", "churn", ChurnOptions())
    last = warehouse.snapshot(AFTERWARDS).events.occurred_at.max().to_pyarrow().as_py()
    known = warehouse.snapshot(last - timedelta(days=60))
    card = model_versions.train_model(settings, registry, known, tmp_path, now=last, parts={})
    assert card.admitted
    assert card.because == "admitted: AUC 0.75 beats recency alone, 0.69"
    assert card.metrics["calibration_error"] < 0.05
    loaded: Any = model_versions.load_model(settings, registry, tmp_path, version=card.version, parts={})
    frame = pl.concat(list(loaded.assign(known)))
    said = frame["reasons"].explode(empty_as_null=False)
    assert len(frame) > 3_500
    assert said.str.contains(r"^last bought \d+ days? ago, usually every \d+$").any()
    assert frame["reasons"].list.len().is_between(1, 3).all()
