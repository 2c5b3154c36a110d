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
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="another day or time in the shop's zone, such as 2026-12-24T09:00")
    ] = None,
) -> None:
    """Show who would get what if a campaign ran now.

    Nothing is sent and nothing is stored: the file as it is now goes through every stage of a run, and every message is
    rendered to find problems.

    With --as-of it shows another day: a future one by what is known now, a past one by what was known then. A day
    without a time is when the campaign is due on it, or its beginning. Such a plan is never launched.

    Example: automation plan winback --as-of 2026-12-24
    """
    from automation.cli.plan_blocks import plan_blocks
    from automation.reporting.json_output.plans import plan_json
    from automation.runner.plan import plan as plan_campaign
    from automation.runner.planning_time import read_planning_time

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        planned_for = None if as_of is None else read_planning_time(workspace, name, as_of)
        with invocation.output.progress("customers") as tick:
            found = plan_campaign(
                workspace, name, samples=samples, preflight=preflight, links=check_links, progress=tick,
                planned_for=planned_for,
            )  # fmt: skip
        shown = plan_blocks(workspace, found)
    invocation.output.show(plan_json(found), *shown)
