"""`automation doctor`."""

from __future__ import annotations

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Table


def doctor(context: typer.Context) -> None:
    """Check this machine and this project for problems.

    Exits with 1 if something is broken.

    Example: automation doctor
    """
    from automation.daemon.health import read_health
    from automation.reporting.doctor import Check, checks

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        health = read_health(workspace.project.data_dir, workspace.clock.now())
        answers = not health.alive or health.responding or health.beat is None
        found = [*checks(workspace), Check("daemon", "good" if answers else "bad", health.in_words())]
    payload = {"checks": [vars(check) for check in found], "fit": all(check.state != "bad" for check in found)}
    rows = [(check.name, check.state, check.told) for check in found]
    invocation.output.show(payload, Table(("what", "state", "found"), rows))
    if not payload["fit"]:
        raise typer.Exit(1)
