"""`automation profiles`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.errors import ConfigurationError

if TYPE_CHECKING:
    from automation.reporting.distributions import Spread

_BAR = 30


def profiles(
    context: typer.Context,
    action: Annotated[Literal["report", "refresh"], typer.Argument(help="what to do")] = "report",
    output: Annotated[Path | None, typer.Option("--output", help="for report: an .html file to draw it in")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="for refresh: measure everybody again")] = False,
) -> None:
    """Show how customer profiles are distributed, or refresh them.

    `report` draws the distributions in the terminal, or in an HTML file with --output. A run refreshes by itself.

    Example: automation profiles report --output profiles.html
    """
    invocation: Invocation = context.obj
    if output is not None and output.suffix != ".html":
        raise ConfigurationError(f"{output} is not a page: distributions are drawn as .html")
    if action == "refresh":
        _refresh(invocation, anew=anew)
    else:
        _report(invocation, output.absolute() if output else None)


def _refresh(invocation: Invocation, *, anew: bool) -> None:
    from automation.clock import monotonic
    from automation.workspace.profiles import refresh_profiles

    started = monotonic()
    with invocation.workspace() as workspace:
        warehouse = workspace.warehouse()
        try:
            done = refresh_profiles(workspace, warehouse, anew=anew)
        finally:
            warehouse.close()
    seconds = monotonic() - started
    told = {
        "nothing": "the profiles were up to date",
        "touched": f"measured {done.customers:,} customers whom new events touch",
        "everybody": f"measured all {done.customers:,} customers",
    }
    payload = {"how": done.how, "customers": done.customers, "seconds": seconds}
    invocation.output.show(payload, Text(f"{told[done.how]}, in {seconds:.1f} s"))


def _report(invocation: Invocation, output: Path | None) -> None:
    from automation.reporting.distributions import payload, spread
    from automation.reporting.page import page

    with invocation.workspace() as workspace:
        found = spread(workspace)
        shop = workspace.project.settings.shop.name
    if output is not None:
        output.write_text(page(found, shop), encoding="utf-8")
        invocation.output.note(f"drawn in {output}")
    invocation.output.show(payload(found), *blocks(found))


def blocks(found: Spread) -> list[Block]:
    """A table with bars for each distribution."""
    from automation.reporting.page import remark

    outliers = f"{found.customers:,} customers, {found.outliers:,} of them outliers"
    shown: list[Block] = [Text(f"{outliers}; as of {found.as_of:%Y-%m-%d %H:%M} UTC")]
    for one in found.distributions:
        most = max((customers for _, customers in one.bars), default=0) or 1
        rows = [(label, customers, "█" * round(_BAR * customers / most)) for label, customers in one.bars]
        shown.append(Table((one.name, "customers", ""), rows, one.title))
        shown += [Text(remark(one), "faint")] if remark(one) else []
    return shown
