"""`automation launch`."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.cli.plan import Name, PreflightExtent, blocks, payload, rehearse
from automation.errors import AutomationError

if TYPE_CHECKING:
    from datetime import datetime

    from automation.workspace.workspace import Workspace


def launch(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="don't ask before launching")] = False,
    approved_by: Annotated[str | None, typer.Option(help="who approved it, if the campaign needs an approval")] = None,
    preflight: PreflightExtent = "all",
    ignore_preflight: Annotated[
        bool, typer.Option("--ignore-preflight", help="launch even if messages have errors")
    ] = False,
    override_guards: Annotated[
        bool, typer.Option("--override-guards", help="launch even if the audience is unusually large")
    ] = False,
) -> None:
    """Pin a campaign as it is now and let the daemon run it.

    Shows its plan and asks first. Later edits have no effect until you launch the campaign again.

    Example: automation launch winback --yes
    """
    from automation.runner.guards import refuse_unusual
    from automation.runner.launch import launch as pin
    from automation.runner.launch import may_be_launched
    from automation.runner.preflight import refuse_faulty

    invocation: Invocation = context.obj
    output = invocation.output
    with invocation.workspace() as workspace:
        may_be_launched(workspace, name)
        plan = rehearse(invocation, workspace, name, samples=3, preflight=preflight)
        output.tell(*blocks(workspace, plan))
        if not ignore_preflight:
            refuse_faulty(name, plan.preflight)
        if not override_guards:
            refuse_unusual(workspace, name, plan.audience)
        if not yes and not _agreed(output.ask(f"\nLaunch {name}?"), name):
            output.show({"campaign": name, "launch": None}, Text("not launched"))
            return
        launch_id = pin(workspace, name, by=getpass.getuser(), audience=plan.audience, approved_by=approved_by)
        due = _next_due(workspace, name)
    when = f"next due {due:%Y-%m-%d %H:%M} UTC" if due else "nothing more is due"
    result = {"campaign": name, "launch": launch_id, "next_due": due, "plan": payload(plan)}
    output.show(result, Text(f"\nlaunched {name}: {when}", "good"))


def _agreed(answer: bool | None, name: str) -> bool:
    if answer is None:
        raise AutomationError(f"nobody can be asked here; to launch without a question: automation launch {name} --yes")
    return answer


def _next_due(workspace: Workspace, name: str) -> datetime | None:
    from automation.schedule.calendar import agenda, next_time
    from automation.workspace.launched import LaunchedCampaigns

    entry = next((e for e in agenda(workspace, LaunchedCampaigns(workspace.project)) if e.name == name), None)
    due = None if entry is None else next_time(workspace, entry)
    return None if due is None else due.at
