"""Commands of this process inside a project, and what they print for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automation.cli.main import main

Run = Callable[..., Any]
"""Runs a command, `run("status")`; `ends` is the exit code that is expected, 0 by default."""


def json_commands(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[tuple[str, ...], Any], None] = lambda _arguments, _found: None,
) -> Run:
    """check: asserts about the arguments of each command and what it printed."""
    monkeypatch.chdir(root)

    def call(*arguments: str, ends: int = 0) -> Any:
        code = main([*arguments, "--format", "json"])
        printed = capsys.readouterr()
        assert code == ends, printed.out + printed.err
        found = json.loads(printed.out)
        check(arguments, found)
        return found

    return call
