"""`automation run`."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Text
from automation.cli.plan import Name
from automation.cli.run_blocks import run_blocks, run_payload
from automation.cli.test_mode import test_mode

if TYPE_CHECKING:
    from automation.reporting.status import RunStatus
    from automation.workspace.workspace import Workspace


def run(
    context: typer.Context,
    name: Name,
    request: Annotated[str | None, typer.Option(help="your own id: repeating it never starts a second run")] = None,
    override_guards: Annotated[
        bool, typer.Option("--override-guards", help="run even if a guard would hold it")
    ] = False,
) -> None:
    """Run a launched campaign once, now.

    If a daemon is running, it does the work and this command shows its progress.

    Example: automation run winback --request before-christmas
    """
    from automation.daemon.manual_run import request as ask
    from automation.daemon.manual_run import work
    from automation.reporting.status import run_status
    from automation.runner.guards import refuse_held

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        made, new = ask(workspace, name, request, confirmed_by=getpass.getuser() if override_guards else None)
        with invocation.output.progress("customers") as tick:
            work(workspace, made.id, tick)
        found = run_status(workspace, made.id)
        refuse_held(found.run)
        shown = [*test_mode(workspace.project), *run_blocks(workspace, found)]
        waiting = _waiting(workspace, found)
    if not new:
        shown.insert(0, Text(f"request {request!r} had made run {made.id} already", "odd"))
    invocation.output.show({**run_payload(found), "new": new}, *shown, *waiting)


def _waiting(workspace: Workspace, found: RunStatus) -> list[Block]:
    """What to do about messages that are not due yet."""
    from automation.daemon.lock import holder
    from automation.store import schedules

    if not found.account.queued:
        return []
    with workspace.store.reading() as connection:
        due = schedules.next_of_run(connection, found.run.id)
    who = "the daemon sends them" if holder(workspace.project.data_dir) is not None else "start one: automation daemon"
    return [Text(f"{found.account.queued:,} messages wait until {due:%Y-%m-%d %H:%M} UTC or later; {who}", "odd")]
