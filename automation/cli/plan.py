"""`automation plan`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from automation.cli.invocation import Invocation

Name = Annotated[str, typer.Argument(help="the campaign's name", metavar="CAMPAIGN")]
Preflight = Annotated[
    Literal["all", "sample", "off"], typer.Option(help="render all messages, a sample of about 1,000, or none")
]


def plan(
    context: typer.Context,
    name: Name,
    samples: Annotated[int, typer.Option(help="how many decisions to show", min=0)] = 5,
    preflight: Preflight = "all",
    check_links: Annotated[
        bool, typer.Option("--check-links", help="request every linked page to see whether it exists")
    ] = False,
) -> None:
    """Show who would get what if a campaign ran now.

    Nothing is sent and nothing is stored: the file as it is now goes through every stage of a run, and every message is
    rendered to find problems.

    Example: automation plan winback
    """
    from automation.cli.plan_blocks import plan_blocks
    from automation.reporting.json_output.plans import plan_json
    from automation.runner.plan import plan as plan_campaign

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        with invocation.output.progress("customers") as tick:
            found = plan_campaign(
                workspace, name, samples=samples, preflight=preflight, links=check_links, progress=tick
            )
        shown = plan_blocks(workspace, found)
    invocation.output.show(plan_json(found), *shown)
