"""The table of commands, the help, and what is said about a wrong call."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

from automation.cli.commands import COMMANDS, Command, overview
from automation.cli.main import load, main, split

HEAVY = {
    *("numpy", "sqlalchemy", "polars", "ibis", "pydantic", "rich", "typer", "structlog", "duckdb", "argparse"),
    *("starlette", "uvicorn"),
}
SHOW_MODULES = (
    "import sys, json; from automation.cli.main import main; main(sys.argv[1:]);"
    "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_table_repeats_the_docstrings(command: Command) -> None:
    assert (inspect.getdoc(load(command)) or "").splitlines()[0] == command.summary


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_shows_an_example_of_itself(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command.name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert command.summary.split(",")[0] in " ".join(shown.split())
    assert f"Example: automation {command.name}" in shown


def test_the_overview_has_every_command_once() -> None:
    lines = [line.split() for line in overview().splitlines() if line.startswith("  ")]
    names = [words[0] for words in lines]
    assert [name for name in names if not name.startswith("-")] == [command.name for command in COMMANDS]


def test_the_help_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW_MODULES, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout == overview() + "\n"
    assert HEAVY & set(json.loads(done.stderr)) == set()


@pytest.mark.parametrize("name", ["validate", "plan", "status", "import", "web", "daemon"])
def test_a_commands_own_help_loads_no_data_library(name: str) -> None:
    heavy = {"numpy", "sqlalchemy", "polars", "ibis", "duckdb", "starlette", "uvicorn"}
    command = [sys.executable, "-c", SHOW_MODULES, name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert heavy & set(json.loads(done.stderr)) == set()


def test_global_options_may_stand_anywhere_before_two_dashes() -> None:
    expected = {"--project": "shop", "--format": "json"}, ["explain", "winback", "--", "--format"], None
    assert split(["--project", "shop", "explain", "winback", "--format=json", "--", "--format"]) == expected


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lanch"], "automation: there is no command 'lanch' (did you mean 'launch'?); automation --help lists them\n"),
        (["--format", "xml", "status"], "automation: --format xml is not a format; use text or json\n"),
        (["status", "--project"], "automation: --project needs a value\n"),
    ],
)
def test_a_wrong_call_is_named(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == told


def test_a_missing_argument_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 2
    assert "Missing argument 'CAMPAIGN'" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("automation 0.")


def test_python_runs_the_package_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "automation", "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, overview() + "\n")


def test_outside_a_project_the_way_in_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 2
    assert capsys.readouterr().err == (
        f"neither {tmp_path} nor a folder above it has a config.yaml; name the project with --project DIR, "
        "or create one: automation init DIR\n"
    )
    assert main(["status", "--project", "nowhere"]) == 2
    assert capsys.readouterr().err == (
        "nowhere is not a project: it is not a folder; create one: automation init nowhere\n"
    )
