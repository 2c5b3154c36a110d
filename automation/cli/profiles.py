"""`automation profiles`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.errors import ConfigurationError
from automation.types.plural import format_count
from automation.workspace.shop_format import shop_format

if TYPE_CHECKING:
    from automation.reporting.profile_report import ProfileReport
    from automation.workspace.shop_format import ShopFormat

_BAR = 30  # characters


def profiles(
    context: typer.Context,
    action: Annotated[Literal["report", "refresh"], typer.Argument(help="what to do")] = "report",
    output: Annotated[Path | None, typer.Option("--output", help="report: an .html file to draw it in")] = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="refresh: compute every profile, not only the changed ones")
    ] = False,
) -> None:
    """Show how customer profiles are distributed, or refresh them.

    `report` draws the distributions in the terminal, or in an HTML file with --output. A run refreshes by itself.

    Example: automation profiles report --output profiles.html
    """
    invocation: Invocation = context.obj
    if output is not None and output.suffix != ".html":
        raise ConfigurationError(f"{output} must end with .html: the distributions are drawn as a web page")
    if action == "refresh":
        _refresh(invocation, everybody=everybody)
    else:
        _report(invocation, output.absolute() if output else None)


def _refresh(invocation: Invocation, *, everybody: bool) -> None:
    from automation.clock import monotonic
    from automation.runner.refresh import refresh_profiles

    started = monotonic()
    with invocation.workspace() as workspace:
        done = refresh_profiles(workspace, everybody=everybody)
    seconds = monotonic() - started
    result = {
        "nothing": "all profiles were up to date",
        "touched": f"computed {format_count(done.customers, 'profile')} with new events",
        "everybody": f"computed all {format_count(done.customers, 'profile')}",
    }[done.how]
    value = {"how": done.how, "customers": done.customers, "seconds": seconds}
    invocation.output.show(value, Text(f"{result} in {seconds:.1f} s"))


def _report(invocation: Invocation, output: Path | None) -> None:
    from automation.reporting.profile_page import profile_page
    from automation.reporting.profile_report import profile_report
    from automation.runner.refresh import refresh_profiles

    with invocation.workspace() as workspace:
        refresh_profiles(workspace)
        found = profile_report(workspace)
        shop, name = shop_format(workspace), workspace.project.settings.shop.name
    if output is not None:
        output.write_text(profile_page(found, name, shop.time(found.as_of)), encoding="utf-8")
        invocation.output.note(f"written to {output}")
    invocation.output.show(found.to_json(), *_blocks(found, shop))


def _blocks(found: ProfileReport, shop: ShopFormat) -> list[Block]:
    """A table with bars for each distribution."""
    customers = f"{format_count(found.customers, 'customer')}, {found.outliers:,} of them outliers"
    shown: list[Block] = [Text(f"{customers}; as of {shop.time(found.as_of)}")]
    for one in found.distributions:
        most = max((n for _, n in one.bars), default=0) or 1
        rows = [(label, n, "█" * round(_BAR * n / most)) for label, n in one.bars]
        shown.append(Table((one.name, "customers", ""), rows, one.title))
        shown += [Text(one.note, "muted")] if one.note else []
    return shown
