"""What is printed for people in a pipe, for people on a terminal, and for programs."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from automation.cli.output import Output, Table, Text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


TABLE = Table(("campaign", "sent", "share", "on"), [("winback", 1_200, 0.25, True), ("news", 7, None, False)], "Runs")


def test_plain_text_in_a_pipe() -> None:
    stream = io.StringIO()
    Output(stream=stream, errors=io.StringIO()).show({}, TABLE, Text("good", "success"))
    assert stream.getvalue() == (
        "Runs\n"
        "campaign   sent  share   on\n"
        "winback   1,200   0.25  yes\n"
        "news          7          no\n"
        "\n"
        "good\n"
    )  # fmt: skip


def test_a_table_on_a_terminal_shows_markup_as_it_is() -> None:
    stream = Terminal()
    Output(stream=stream, errors=io.StringIO()).show({}, Table(("name",), [("[red]Ana[/red]",)]))
    assert "[red]Ana[/red]" in stream.getvalue()


def test_json_for_programs_and_nothing_else_beside_it() -> None:
    stream, errors = io.StringIO(), io.StringIO()
    output = Output(as_json=True, stream=stream, errors=errors)
    output.show_blocks(Text("for people"))
    output.note("for people")
    with output.progress("rows") as tick:
        tick("importing", 1, 2)
    at = datetime(2026, 6, 1, 9, tzinfo=UTC)
    output.show({"at": at, "cost": Decimal("1.50"), "file": Path("a/b"), "who": {"b", "a"}}, Text("for people"))
    assert json.loads(stream.getvalue()) == {
        "at": "2026-06-01T09:00:00+00:00",
        "cost": 1.5,
        "file": "a/b",
        "who": ["a", "b"],
    }
    assert errors.getvalue() == ""
    assert output.ask("Launch?") is None


def test_a_failure_says_why_and_what_next() -> None:
    errors = io.StringIO()
    Output(stream=io.StringIO(), errors=errors).failure("it broke", ["OSError: disk full"], "automation status", 1)
    assert errors.getvalue() == "it broke\n  because OSError: disk full\n  next: automation status\n"


def test_a_failure_for_programs() -> None:
    stream = io.StringIO()
    Output(as_json=True, stream=stream).failure("it broke", ["OSError: disk full"], "", 2)
    told = {"message": "it broke", "causes": ["OSError: disk full"], "fix": "", "exit_code": 2}
    assert json.loads(stream.getvalue()) == {"error": told}


@pytest.mark.parametrize(
    ("typed", "answer"), [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_a_question_takes_only_a_yes_for_one(typed: str, answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    errors = io.StringIO()
    assert Output(stream=io.StringIO(), errors=errors).ask("Launch winback?") is answer
    assert errors.getvalue() == "Launch winback? [y/N] "


def test_progress_shows_the_rate_on_a_terminal() -> None:
    errors = Terminal()
    with Output(stream=io.StringIO(), errors=errors).progress("rows") as tick:
        tick("importing", 50_000, 0)
        tick("planning", 500, 1_000)
    assert "50,000 rows" in errors.getvalue()
    assert "500 of 1,000 rows" in errors.getvalue()
