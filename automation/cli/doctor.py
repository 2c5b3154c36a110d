"""`automation doctor`."""

from __future__ import annotations

import typer

from automation.cli.invocation import DataDir, Invocation
from automation.cli.output import Table


def doctor(context: typer.Context, data_dir: DataDir = None) -> None:
    """Check this machine and this project for problems.

    Exits with 1 if something is broken.

    Example: automation doctor
    """
    from automation.daemon.health import read_health
    from automation.reporting.doctor import Check, diagnose

    invocation: Invocation = context.obj
    with invocation.workspace_or_store(data_dir) as opened:
        health = read_health(opened.data_dir, opened.clock.now())
        hangs = health.alive and health.beat is not None and not health.responding
        found = diagnose(opened, Check("daemon", "error" if hangs else "ok", health.describe()))
    rows = [(check.name, check.state, check.detail) for check in found.checks]
    invocation.output.show(found.to_json(), Table(("check", "state", "detail"), rows))
    if not found.ok:
        raise typer.Exit(1)
