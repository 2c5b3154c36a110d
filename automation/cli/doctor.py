"""`automation doctor`."""

from __future__ import annotations

import typer

from automation.cli.data_dir import DataDir
from automation.cli.invocation import Invocation
from automation.cli.output import Table


def doctor(context: typer.Context, data_dir: DataDir = None) -> None:
    """Check this machine and this project for problems.

    Exits with 1 if something is broken, or if campaigns are launched and no daemon runs them.

    Example: automation doctor
    """
    from automation.daemon.operation import read_operation
    from automation.reporting.doctor import diagnose

    invocation: Invocation = context.obj
    with invocation.workspace_or_store(data_dir) as opened:
        found = diagnose(opened, *read_operation(opened).checks())
    rows = [(check.name, check.state, check.detail) for check in found.checks]
    invocation.output.show(found.to_json(), Table(("check", "state", "detail"), rows))
    if not found.ok:
        raise typer.Exit(1)
