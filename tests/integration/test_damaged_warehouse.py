"""A damaged warehouse is seen, and disarms no command that doesn't need it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from structlog.testing import capture_logs
from support.json_commands import Run, json_commands
from support.project import copied_project, launched_project

from automation.cli.main import main
from automation.clock import SystemClock
from automation.daemon.operation import read_operation
from automation.runner.claim import claim
from automation.runner.run import advance
from automation.schedule.due_times import Due
from automation.types.run import RunKind
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import open_workspace


def broken_log(table: Path) -> str:
    for file in (table / "_delta_log").glob("*.json"):
        file.write_text("{")
    return "its log can't be read"


def no_log(table: Path) -> str:
    shutil.rmtree(table / "_delta_log")
    return "its log (_delta_log) is missing"


def missing_file(table: Path) -> str:
    next(table.glob("*.parquet")).unlink()
    return "1 of 1 files are missing"


def damaged_file(table: Path) -> str:
    file = next(table.glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-100])
    return "1 of 1 files are damaged"


def no_table(table: Path) -> str:
    shutil.rmtree(table)
    return "the table is missing"


DAMAGES = [broken_log, no_log, missing_file, damaged_file, no_table]

SEEN = [(damage, table) for damage in DAMAGES for table in ("customers", "events")][:-1]
"""A missing events table that only imports wrote can't be told from one that was never written."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with customers, events and a finished run, whose campaign follows the customers' clocks."""
    root = tmp_path_factory.mktemp("made") / "shop"
    an_hour_ago = SystemClock().now() - timedelta(hours=1)
    launched_project(root, customers=3, launched_at=an_hour_ago, schedule="every: day 09:00, timezone: customer")
    event = {"customer_id": ["c00001"], "type": ["view"], "event_id": ["1"], "occurred_at": [an_hour_ago]}
    with open_workspace(root) as workspace:
        warehouse = workspace.warehouse()
        warehouse.append_events(pl.DataFrame(event))
        warehouse.close()
    assert main(["--project", str(root), "run", "hello"]) == 0
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return copied_project(made, tmp_path / "shop")


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return json_commands(root, capsys, monkeypatch)


@pytest.mark.parametrize(("damage", "table"), SEEN)
def test_doctor_sees_it(root: Path, run: Run, damage: Callable[[Path], str], table: str) -> None:
    (before,) = [check for check in run("doctor", ends=1)["checks"] if check["name"] == "warehouse"]
    assert before["state"] == "ok"
    said = damage(root / "var" / "warehouse" / table)
    found = [check for check in run("doctor", ends=1)["checks"] if check["name"] == "warehouse"]
    assert [check["state"] for check in found] == ["error"]
    assert f"{table}: {said}" in found[0]["detail"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("table", ["customers", "events"])
def test_what_the_store_knows_is_shown_and_stopped(
    root: Path, run: Run, damage: Callable[[Path], str], table: str
) -> None:
    whole = run("explain", "hello", "c00001")
    damage(root / "var" / "warehouse" / table)
    status = run("status")
    assert [(one["name"], one["state"]) for one in status["campaigns"]] == [("hello", "launched")]
    assert status["runs"][0]["account"]["sent"] == 3
    assert run("explain", "hello", "c00001")["decision"] == whole["decision"]
    assert run("stop", "--all")["stopped"] == "*"
    assert run("resume", "--all")["was_stopped"]


@pytest.mark.parametrize(("damage", "table"), SEEN)
def test_a_run_is_held_until_the_warehouse_can_be_read(
    root: Path, run: Run, damage: Callable[[Path], str], table: str
) -> None:
    sound = root / "var" / "warehouse" / table
    shutil.copytree(sound, root / "sound")
    said = damage(sound)
    message = run("run", "hello", "--override-guards", ends=1)["error"]["message"]
    assert "is HELD, nobody was contacted: the warehouse is damaged: " in message
    assert said in message
    assert "it continues by itself once the warehouse can be read" in message
    (held,) = run("status")["held"]
    assert held["guard"] == "damaged_warehouse"
    assert run("release", str(held["run"]), ends=1)["error"]["message"].endswith(f"automation release {held['run']}")
    shutil.rmtree(sound, ignore_errors=True)
    shutil.copytree(root / "sound", sound)
    with open_workspace(root) as workspace:  # as the planner tries again, without a word from anybody
        assert advance(workspace, LaunchedCampaigns(workspace.project), held["run"])
    assert run("status", str(held["run"]))["account"]["queued"] == 3


@pytest.mark.parametrize(("damage", "table"), [(broken_log, "events"), (damaged_file, "customers"), SEEN[-1]])
def test_a_frozen_run_is_held_until_the_warehouse_can_be_read(
    root: Path, run: Run, damage: Callable[[Path], str], table: str
) -> None:
    """Damaged between its first look at the warehouse and the plan of its first batch."""
    sound = root / "var" / "warehouse" / table
    shutil.copytree(sound, root / "sound")
    with open_workspace(root) as workspace:
        pinned = LaunchedCampaigns(workspace.project)
        made = claim(workspace, "hello", Due(RunKind.MANUAL, "2", workspace.clock.now()), released_by="ana")
        assert made is not None
        assert not advance(workspace, pinned, made.id, halted=lambda: True)
        said = damage(sound)
        for _ in range(2):
            assert not advance(workspace, pinned, made.id)
        (held,) = run("status")["held"]
        assert (held["run"], held["guard"]) == (made.id, "damaged_warehouse")
        assert said in held["what"]
        checks = run("doctor", ends=1)["checks"]
        assert [check["state"] for check in checks if check["name"] == "warehouse"] == ["error"]
        assert [check["state"] for check in checks if check["name"] == "held runs"] == ["warning"]
        assert read_operation(workspace).to_json()["held_runs"] == 1
        run("release", str(made.id), ends=1)
        assert not advance(workspace, pinned, made.id)  # a word does not mend it
        assert run("status")["held"]
        shutil.rmtree(sound, ignore_errors=True)
        shutil.copytree(root / "sound", sound)
        assert advance(workspace, pinned, made.id)
        assert run("status")["held"] == []
        assert read_operation(workspace).to_json()["held_runs"] == 0
    assert run("status", str(made.id))["account"]["queued"] == 3


def test_a_run_whose_warehouse_breaks_while_it_is_planned_is_held(
    root: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = root / "var" / "warehouse" / "customers"
    monkeypatch.setattr("automation.runner.run.with_competing_runs", lambda *_: broken_log(table) and 1 / 0)
    with open_workspace(root) as workspace, capture_logs():
        made = claim(workspace, "hello", Due(RunKind.MANUAL, "2", workspace.clock.now()), released_by="ana")
        assert made is not None
        assert not advance(workspace, LaunchedCampaigns(workspace.project), made.id)
    (held,) = run("status")["held"]
    assert held["guard"] == "damaged_warehouse"


def test_status_says_that_due_times_are_unknown(root: Path, run: Run) -> None:
    broken_log(root / "var" / "warehouse" / "customers")
    (line,) = run("status")["unread"]
    assert line.startswith("due times can't be told: ")


def test_a_restored_copy_is_not_accepted_by_guess(root: Path, run: Run) -> None:
    """The next flush would get a number that the warehouse may have, and its events would be lost."""
    broken_log(root / "var" / "warehouse" / "events")
    assert "automation doctor shows the damage" in run("resume", "--restored", ends=1)["error"]["message"]
