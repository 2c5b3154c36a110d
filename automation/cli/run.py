"""`automation run`."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Text
from automation.cli.plan import Name
from automation.types.plural import format_count
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from automation.reporting.run_status import RunStatus
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
    from automation.cli.run_blocks import run_blocks
    from automation.cli.test_mode import test_mode
    from automation.daemon import manual_run
    from automation.reporting.reasons import plugin_reasons
    from automation.reporting.run_status import run_status
    from automation.runner.guards import refuse_held

    invocation: Invocation = context.obj
    by = getpass.getuser() if override_guards else None
    with invocation.workspace() as workspace:
        made, new = manual_run.request_run(workspace, name, request, released_by=by)
        with invocation.output.progress("customers") as tick:
            manual_run.execute_run(workspace, made.id, tick)
        found = run_status(workspace, made.id)
        refuse_held(found.run)
        shown = [
            *test_mode(workspace.project.settings.testing.redirect_all),
            *run_blocks(found, shop_format(workspace), plugin_reasons(workspace)),
            *_waiting(workspace, found),
        ]
    if not new:
        shown.insert(0, Text(f"request {request!r} has already started run {made.id}", "warning"))
    invocation.output.show({**found.to_json(), "new": new}, *shown)


def _waiting(workspace: Workspace, found: RunStatus) -> list[Block]:
    """What happens to messages that are not due yet."""
    from automation.daemon.lock import find_lock_holder

    if not found.account.queued:
        return []
    running = find_lock_holder(workspace.project.data_dir) is not None
    who = "the daemon will send them" if running else "to send them: automation daemon"
    waiting = format_count(found.account.queued, "message")
    when = "now" if found.next_message is None else shop_format(workspace).time(found.next_message)
    return [Text(f"{waiting} not due before {when}; {who}", "warning")]
