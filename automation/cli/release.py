"""`automation release`."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from automation.cli.data_dir import DataDir
from automation.cli.invocation import Invocation
from automation.workspace.shop_format import shop_format


def release(
    context: typer.Context,
    run: Annotated[int, typer.Argument(help="the run's number, as shown by `automation status`")],
    data_dir: DataDir = None,
) -> None:
    """Release a held run.

    Its audience stays as it was frozen; consent, suppressions and caps still apply. Your name is kept with the run. If
    the project's files can't be read here, a running daemon sends it.

    Example: automation release 12
    """
    from automation.cli.run_blocks import run_blocks
    from automation.daemon.manual_run import execute_run
    from automation.reporting.reasons import plugin_reasons
    from automation.reporting.run_status import run_status
    from automation.runner import guards
    from automation.workspace.opened import OpenedStore

    invocation: Invocation = context.obj
    with invocation.workspace_or_store(data_dir) as opened:
        guards.release(opened, run, by=getpass.getuser())
        if not isinstance(opened, OpenedStore):
            with invocation.output.progress("customers") as tick:
                execute_run(opened, run, tick)
        found = run_status(opened, run)
        guards.refuse_held(found.run)
        shown = run_blocks(found, shop_format(opened), plugin_reasons(opened))
    invocation.output.show(found.to_json(), *shown)
