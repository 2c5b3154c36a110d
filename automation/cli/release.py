"""`automation release`."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from automation.cli.invocation import Invocation


def release(
    context: typer.Context,
    run: Annotated[int, typer.Argument(help="the run's number, as shown by `automation status`")],
) -> None:
    """Release a held run.

    Its audience stays as it was frozen; consent, suppressions and caps still apply. Your name is kept with the run.

    Example: automation release 12
    """
    from automation.cli.run_blocks import run_blocks
    from automation.daemon.manual_run import execute_run
    from automation.reporting.run_status import run_status
    from automation.runner import guards

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        guards.release(workspace, run, by=getpass.getuser())
        with invocation.output.progress("customers") as tick:
            execute_run(workspace, run, tick)
        found = run_status(workspace, run)
        guards.refuse_held(found.run)
        shown = run_blocks(workspace, found)
    invocation.output.show(found.to_json(), *shown)
