"""`automation launch`."""

from __future__ import annotations

import getpass
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Output, Text
from automation.cli.plan import Name, Preflight
from automation.errors import AutomationError
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from automation.runner.launch import LaunchResult
    from automation.runner.plan import Plan
    from automation.workspace.shop_format import ShopFormat


AcceptWarnings = Annotated[
    bool, typer.Option("--accept-warnings", help="launch in spite of the warnings of automation validate")
]


def launch(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="don't ask before launching")] = False,
    approved_by: Annotated[str | None, typer.Option(help="who approved it, if the campaign needs an approval")] = None,
    preflight: Preflight = "all",
    ignore_preflight: Annotated[
        bool, typer.Option("--ignore-preflight", help="launch even if messages have errors")
    ] = False,
    accept_warnings: AcceptWarnings = False,
    override_guards: Annotated[
        bool, typer.Option("--override-guards", help="launch even if the audience is unusually large")
    ] = False,
) -> None:
    """Pin a campaign as it is now and let the daemon run it.

    Shows its plan and asks first. Later edits have no effect until you launch the campaign again.

    Example: automation launch winback --yes
    """
    from automation.cli.plan_blocks import plan_blocks
    from automation.reporting.json_output.plans import launch_json
    from automation.runner.launch import LaunchOptions, plan_and_launch

    invocation: Invocation = context.obj
    output = invocation.output
    options = LaunchOptions(
        preflight=preflight,
        ignore_preflight=ignore_preflight,
        override_guards=override_guards,
        accept_warnings=accept_warnings,
        approved_by=approved_by,
    )
    with invocation.workspace() as workspace, ExitStack() as bars:

        def show(plan: Plan) -> None:
            bars.close()  # they would overwrite what is printed from here on
            output.show_blocks(*plan_blocks(workspace, plan))

        result = plan_and_launch(
            workspace,
            name,
            options,
            by=getpass.getuser(),
            show=show,
            agree=lambda: yes or _agreed(output, name),
            progress=bars.enter_context(output.progress("customers")),
        )
    output.show(launch_json(result), _launched(result, shop_format(workspace)))


def _launched(result: LaunchResult, shop: ShopFormat) -> Text:
    if result.launch_id is None:
        return Text("not launched")
    when = f"next due {shop.time(result.next_due)}" if result.next_due else "no run is due"
    return Text(f"\nlaunched {result.campaign}: {when}", "success")


def _agreed(output: Output, name: str) -> bool:
    answer = output.ask(f"\nLaunch {name}?")
    if answer is None:
        raise AutomationError(f"nobody can be asked here; to launch without a question: automation launch {name} --yes")
    return answer
