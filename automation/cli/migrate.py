"""`automation import suppressions|consents|contacts` and `automation waive`."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from automation.inbound.migration.mapping import Kind
    from automation.inbound.migration.migrate import MoveReport

_PLAIN = "plain"


def take_over(
    invocation: Invocation,
    kind: Kind,
    files: Sequence[Path],
    wanted: str | None,
    *,
    topics: Sequence[str] = (),
    confirmed: bool = False,
) -> None:
    """Import what another sender knows, and print what became of the rows."""
    from automation.inbound.migration.mapping import load
    from automation.inbound.migration.migrate import import_file

    mapping = load(wanted or _PLAIN)
    by = getpass.getuser()
    with invocation.workspace() as workspace, invocation.output.progress("rows") as tick:
        reports = [
            import_file(
                workspace, kind, path, mapping, by=by, topics=topics, confirmed=confirmed,
                progress=lambda lines: tick("importing", lines, 0),
            )
            for path in files
        ]  # fmt: skip
    for report in reports:
        invocation.output.show(_payload(report), *_blocks(report))


def _payload(report: MoveReport) -> dict[str, object]:
    return vars(report).copy()


def _blocks(report: MoveReport) -> list[Block]:
    told = [
        ("used", report.used),
        ("left out: says nothing here", report.left_out),
        ("quarantined", report.quarantined),
    ]
    blocks: list[Block] = [
        Table(("rows", "count"), [*told, ("in all", report.lines)], title=f"Import of {report.what}"),
        Text(f"{report.added:,} new on record; importing the file again changes nothing"),
    ]
    if report.pending:
        blocks.append(Text(f"{report.pending:,} wait for their confirmation: automation consent pending", "odd"))
    blocks += [Text(f"warning: {warning}", "odd") for warning in report.warnings]
    if report.quarantine_file:
        blocks.append(Text(f"what could not be used, with row and reason: {report.quarantine_file}", "odd"))
    return blocks


def waive(
    context: typer.Context,
    what: Annotated[Literal["moving-in"], typer.Argument(help="what is waived")],
    by: Annotated[str, typer.Option(help="who says so")],
    because: Annotated[str, typer.Option(help="why; kept with the name")],
) -> None:
    """Say by name that nothing has to be brought over before sending.

    It is kept on record. Without it, or an imported suppression list, channels that really send refuse to.

    Example: automation waive moving-in --by Ana --because "a new shop: nobody was ever written to"
    """
    from automation.inbound.migration.gate import waive as put_on_record

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        put_on_record(workspace, by=by, because=because)
    invocation.output.show({"waived": what, "by": by, "because": because}, Text(f"waived {what}, by {by}: {because}"))
