"""`automation validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from automation.config.campaigns import CampaignFile
    from automation.config.problems import Problem
    from automation.config.project import Project

_MOODS = {"error": "bad", "not_built": "odd", "warning": "odd"}
_MARKS = {"error": "", "not_built": "not built yet: ", "warning": "warning: "}


def validate(context: typer.Context) -> None:
    """Check every file and run the campaigns' own tests.

    Exits with 0 if there are no errors, else with 2. Shows all problems of all files at once.

    Example: automation validate --project my-shop
    """
    from automation.runner.validation import all_problems

    invocation: Invocation = context.obj
    root = invocation.root().resolve()
    project, problems = all_problems(root)
    refused = {problem.file for problem in problems if problem.refuses}
    payload = {
        "project": root,
        "valid": not refused,
        "problems": [_problem_payload(problem) for problem in problems],
        "campaigns": [
            {"name": file.name, "file": file.path, "valid": file.path not in refused}
            for file in (project.campaigns.values() if project else ())
        ],
    }
    invocation.output.show(payload, *_blocks(root, project, problems, refused))
    if refused:
        raise typer.Exit(2)


def _problem_payload(problem: Problem) -> dict[str, object]:
    names = ("file", "line", "column", "path", "what", "severity")
    return {name: getattr(problem, name) for name in names}


def _blocks(root: Path, project: Project | None, problems: Sequence[Problem], refused: set[str]) -> list[Block]:
    shown: list[Block] = [Text(_line(problem), _MOODS[problem.severity]) for problem in problems]
    if project is not None:
        rows = [(f.name, "INVALID" if f.path in refused else "valid", f.path, _tests(f)) for f in _files(project)]
        shown.append(Table(("campaign", "", "file", "tests"), rows))
    errors = sum(problem.refuses for problem in problems)
    warnings = len(problems) - errors
    counts = [_count(errors, "problem"), *([_count(warnings, "warning")] if warnings else [])]
    told = ", ".join(counts) if problems else "everything is valid"
    shown.append(Text(f"{root.name}: {told}", "bad" if errors else "good"))
    return shown


def _files(project: Project) -> list[CampaignFile]:
    return list(project.campaigns.values())


def _tests(file: CampaignFile) -> int:
    return len(file.campaign.expect) if file.campaign else 0


def _line(problem: Problem) -> str:
    place = str(problem).removesuffix(problem.what)
    return f"{place}{_MARKS[problem.severity]}{problem.what}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
