"""`status` shows the same whether it reads the project's files or what was kept of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.ledger import make_run
from support.project import launched_project

from automation.cli.invocation import Invocation
from automation.cli.main import main
from automation.clock import ManualClock, SystemClock
from automation.runner.kept_outline import FILE, KeptOutline, keep_outline, load_outline
from automation.runner.launch import launch
from automation.runner.outline import read_outline
from automation.store import holds, pauses
from automation.store.statements import execute
from automation.workspace.fingerprint import project_fingerprint
from automation.workspace.workspace import Workspace, open_workspace

AN_HOUR = timedelta(hours=1)
LOCAL = "schedule: {every: 'day 09:00', timezone: customer}\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Campaigns: launched, launched in the customers' zones, stopped, a draft and one with an error; a held run."""
    root = tmp_path_factory.mktemp("made") / "shop"
    launched_project(root, customers=3, launched_at=SystemClock().now() - AN_HOUR)
    hello = (root / "campaigns" / "hello.yaml").read_text()
    schedule = hello[hello.index("schedule") : hello.index("audience")]
    changes = {"local": (schedule, LOCAL), "quiet": ("", ""), "draft": ("", ""), "wrong": ("everyone", "evryone")}
    for name, (old, new) in changes.items():
        text = hello.replace("name: hello", f"name: {name}")
        (root / "campaigns" / f"{name}.yaml").write_text(text.replace(old, new) if old else text)
    with open_workspace(root) as workspace:
        warehouse = workspace.warehouse()
        there = {"customer_id": ["c9"], "email": ["c9@toy.example"], "timezone": ["Pacific/Auckland"]}
        warehouse.upsert("customers", pl.DataFrame(there))
        warehouse.close()
        for name in ("local", "quiet"):
            launch(workspace, name, by="test", audience=4)
        held = make_run(workspace.store, ["c1", "c2"])
        with workspace.store.transaction() as connection:
            execute(
                connection, "UPDATE launch SET ended_at = 1 WHERE campaign = 'winback'"
            )  # the run's, without a file
            pauses.stop(connection, "quiet", by="ana", now=workspace.clock.now())
            holds.hold(connection, held, guard="size", what="too many", now=workspace.clock.now())
    return root


@pytest.mark.parametrize("arguments", [["status"], ["--format", "json", "status"], ["status", "1"]], ids=" ".join)
def test_what_was_kept_says_what_the_files_say(
    root: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    (root / "var" / FILE).unlink(missing_ok=True)
    assert main(arguments) == 0
    read = capsys.readouterr().out

    def refuse(*_: object) -> None:
        raise AssertionError("the project was opened")

    monkeypatch.setattr(Invocation, "workspace_or_store", refuse)
    assert main(arguments) == 0
    assert capsys.readouterr().out == read
    if arguments == ["status"]:
        lines = {line.split(" ")[0]: line for line in read.splitlines()}
        assert "launched" in lines["hello"]
        assert "09:00, customers' time" in lines["local"]
        assert "stopped" in lines["quiet"]
        assert "draft" in lines["draft"]
        assert "invalid" in lines["wrong"]
        assert "evryone" in read
        assert "is HELD" in read


def at(workspace: Workspace, now: datetime) -> Workspace:
    return replace(workspace, clock=ManualClock(now))


def kept(workspace: Workspace) -> KeptOutline:
    keep_outline(workspace, read_outline(workspace), project_fingerprint(workspace.project.root))
    found = load_outline(workspace.data_dir)
    assert found is not None
    return found


def test_a_new_launch_other_customers_or_a_passed_due_time_outdate_it(root: Path) -> None:
    fingerprint = project_fingerprint(root)
    with open_workspace(root) as workspace:
        found = kept(workspace)
        assert found.outline == read_outline(workspace)
        assert found.is_current(workspace, fingerprint)
        assert not found.is_current(workspace, "another")
        passed = min(one.due[-1].at for one in found.outline.campaigns if one.due)
        assert found.is_current(at(workspace, found.made_at + timedelta(seconds=1)), fingerprint)
        assert not found.is_current(at(workspace, passed), fingerprint)
        assert not found.is_current(at(workspace, found.made_at - AN_HOUR), fingerprint)
        with workspace.store.transaction() as connection:
            execute(connection, "UPDATE launch SET ended_at = 1 WHERE campaign = 'quiet'")
        assert not found.is_current(workspace, fingerprint)
        for file in ("another.parquet", "_delta_log/another.json"):
            found = kept(workspace)
            assert found.is_current(workspace, fingerprint)
            (workspace.data_dir / "warehouse" / "customers" / file).touch()
            assert not found.is_current(workspace, fingerprint)
            (workspace.data_dir / "warehouse" / "customers" / file).unlink()


@pytest.mark.parametrize("text", ['{"campaigns": [', "[]", "{}", '{"campaigns": [1]}', "\x00", ""])
def test_what_can_t_be_read_counts_as_nothing_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert load_outline(tmp_path) is None
