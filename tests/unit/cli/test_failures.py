"""No user ever sees a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.project import write_project

from automation.cli import failures
from automation.cli.invocation import Invocation
from automation.cli.main import main
from automation.cli.output import Output
from automation.errors import AutomationError, ConfigurationError, StoreError
from automation.store.engine import open_store


def invocation(root: Path, command: str = "run") -> Invocation:
    return Invocation(command, str(root), Output())


def chained() -> StoreError:
    try:
        try:
            raise OSError("disk full")
        except OSError as error:
            raise RuntimeError("could not\nwrite") from error
    except RuntimeError as error:
        made = StoreError("the store can't be written: could not")
        made.__cause__ = error
        return made


def test_the_chain_of_causes_is_told_without_repeating(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failures.report_failure(chained(), invocation(write_project(tmp_path))) == 1
    assert capsys.readouterr().err == (
        "the store can't be written: could not\n  because OSError: disk full\n  next: automation status\n"
    )


def test_an_error_that_names_its_command_names_no_second_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = invocation(write_project(tmp_path))
    assert failures.report_failure(ConfigurationError("create one: automation init DIR"), where) == 2
    assert failures.report_failure(ConfigurationError("topic is missing"), where) == 2
    assert failures.report_failure(AutomationError("no"), where) == 1
    assert capsys.readouterr().err == (
        "create one: automation init DIR\ntopic is missing\n  next: automation validate\nno\n"
    )


def test_an_unexpected_error_is_kept_in_the_projects_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_project(tmp_path)
    (root / "config.yaml").write_text((root / "config.yaml").read_text() + "data_dir: data\n")

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("automation.reporting.overview.overview", broken)
    monkeypatch.chdir(root)
    assert main(["status"]) == 1
    told = capsys.readouterr().err
    (file,) = (root / "data" / "logs").iterdir()
    assert told == f"ZeroDivisionError: division by zero\n  details: {file}\n"
    assert "Traceback" in file.read_text()


def test_an_unexpected_error_is_kept_elsewhere_where_the_project_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_project(tmp_path / "shop")
    (root / "var").write_text("not a folder")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert failures.report_failure(ZeroDivisionError("division by zero"), invocation(root)) == 1
    (file,) = tmp_path.glob("failure-*.log")
    assert capsys.readouterr().err.endswith(f"details: {file}\n")
    assert "ZeroDivisionError" in file.read_text()


def test_a_store_that_can_not_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("not a folder")
    with pytest.raises(StoreError, match=r"the store .*/var/store.db can't be opened: File exists: .*/var$"):
        open_store(tmp_path / "var" / "store.db")
