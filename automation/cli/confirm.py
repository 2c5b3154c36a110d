"""`automation confirm`."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.run_account import run_blocks, run_payload


def confirm(
    context: typer.Context,
    run: Annotated[int, typer.Argument(help="the run's number, as `status` shows it")],
) -> None:
    """Let a run go on that a guard holds.

    Its audience stays as it was frozen; consent, suppressions and caps are looked at as ever. Who confirmed is kept.

    Example: automation confirm 12
    """
    from automation.daemon.manual_run import work
    from automation.reporting.status import run_status
    from automation.runner.guards import confirm as let_go
    from automation.runner.guards import refuse_held

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        let_go(workspace, run, by=getpass.getuser())
        with invocation.output.progress("customers") as tick:
            work(workspace, run, tick)
        found = run_status(workspace, run)
        refuse_held(found.run)
        shown = run_blocks(workspace, found)
    invocation.output.show(run_payload(found), *shown)
