"""`automation validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.types.plural import format_count

if TYPE_CHECKING:
    from automation.config.campaigns import CampaignFile
    from automation.config.problems import Problem
    from automation.runner.validation import Validation

_STYLES = {"error": "error", "not_built": "warning", "warning": "warning"}
_LABELS = {"error": "", "not_built": "not built yet: ", "warning": "warning: "}


def validate(
    context: typer.Context,
    no_plugins: Annotated[
        bool,
        typer.Option(
            "--no-plugins",
            help="for a stranger's project: run nothing in its folder, read no environment variable, open no data",
        ),
    ] = False,
) -> None:
    """Check every file and run the campaigns' own tests.

    Exits with 0 if there are no errors, else with 2. Shows all problems of all files at once.

    Example: automation validate --project my-shop
    """
    from automation.reporting.json_output.problems import validation_json
    from automation.runner.validation import validate as validate_project

    invocation: Invocation = context.obj
    found = validate_project(invocation.root().resolve(), trusted=not no_plugins)
    invocation.output.show(validation_json(found), *_blocks(found))
    if not found.valid:
        raise typer.Exit(2)


def _blocks(found: Validation) -> list[Block]:
    shown: list[Block] = [Text(_line(problem), _STYLES[problem.severity]) for problem in found.problems]
    if found.project is not None:
        rows = [
            (file.name, "INVALID" if file.path in found.invalid_files else "valid", file.path, _tests(file))
            for file in found.campaigns
        ]
        shown.append(Table(("campaign", "state", "file", "tests"), rows))
    shown += [Text(f"{name}: {order}", "muted") for name, order in found.channel_orders.items()]
    errors = sum(problem.refuses for problem in found.problems)
    warnings = len(found.problems) - errors
    counts = [format_count(errors, "error"), *([format_count(warnings, "warning")] if warnings else [])]
    result = ", ".join(counts) if found.problems else "everything is valid"
    shown.append(Text(f"{found.root.name}: {result}", "error" if errors else "success"))
    return shown


def _tests(file: CampaignFile) -> int:
    return len(file.campaign.expect) if file.campaign else 0


def _line(problem: Problem) -> str:
    place = str(problem).removesuffix(problem.what)
    return f"{place}{_LABELS[problem.severity]}{problem.what}"
