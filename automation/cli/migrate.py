"""`automation import suppressions|consents|sends` and `automation migrate`."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from automation.inbound.migration.migrate import MigrationReport
    from automation.reporting.migration import MigrationStatus
    from automation.types.schema import MigrationTable

_PLAIN = "plain"


def import_migration(
    invocation: Invocation,
    table: MigrationTable,
    files: Sequence[Path],
    wanted: str | None,
    *,
    topics: Sequence[str] = (),
    confirmed: bool = False,
) -> None:
    """Import another tool's export, and print what became of the rows."""
    from automation.inbound.migration.migrate import import_export
    from automation.warehouse.importing.mapping import load_mapping

    by = getpass.getuser()
    with invocation.workspace() as workspace, invocation.output.progress("rows") as tick:
        mapping = load_mapping(wanted or _PLAIN, timezone=workspace.project.settings.shop.timezone)
        reports = [
            import_export(
                workspace, table, path, mapping, by=by, topics=topics, confirmed=confirmed,
                progress=lambda lines: tick("importing", lines, 0),
            )
            for path in files
        ]  # fmt: skip
    for report in reports:
        invocation.output.show(_payload(report), *_blocks(report))


def _payload(report: MigrationReport) -> dict[str, object]:
    return vars(report).copy()


def _blocks(report: MigrationReport) -> list[Block]:
    told = [
        ("used", report.used),
        ("left out: nothing to record", report.left_out),
        ("quarantined", report.quarantined),
    ]
    blocks: list[Block] = [
        Table(("rows", "count"), [*told, ("in all", report.lines)], title=f"Import of {report.what}"),
        Text(f"{report.added:,} new on record; importing the file again changes nothing"),
    ]
    if report.pending:
        blocks.append(Text(f"{report.pending:,} wait for confirmation: automation consent pending", "odd"))
    blocks += [Text(f"warning: {warning}", "odd") for warning in report.warnings]
    if report.quarantine_file:
        blocks.append(Text(f"rows that could not be used, with the reason: {report.quarantine_file}", "odd"))
    return blocks


def migrate(
    context: typer.Context,
    nothing_to_import: Annotated[
        bool,
        typer.Option("--nothing-to-import", help="confirm, with --by and --because, that there is no list"),
    ] = False,
    by: Annotated[str, typer.Option(help="who confirms it")] = "",
    because: Annotated[str, typer.Option(help="why there is none; kept with the name")] = "",
) -> None:
    """Show the migration from another tool, or confirm that none is needed.

    Channels that really send refuse to until a suppression list was imported, or somebody confirmed that there is none.

    Example: automation migrate --nothing-to-import --by Ana --because "a new shop: no customer was ever written to"
    """
    from automation.inbound.migration.gate import confirm_nothing_to_import
    from automation.reporting.migration import migration_status

    invocation: Invocation = context.obj
    if (by or because) and not nothing_to_import:
        raise ConfigurationError("--by and --because belong to --nothing-to-import")
    with invocation.workspace() as workspace:
        if nothing_to_import:
            confirm_nothing_to_import(workspace, by=by, because=because)
        found = migration_status(workspace)
    invocation.output.show(found.to_json(), *_status_blocks(found))


def _status_blocks(found: MigrationStatus) -> list[Block]:
    rows = [
        (f"{step.at:%Y-%m-%d %H:%M}", _NAMES.get(step.what, step.what), step.rows, step.by, step.detail)
        for step in found.steps
    ]
    shown: list[Block] = [Table(("when (UTC)", "what", "rows", "by", "file or reason"), rows)] if rows else []
    if found.complete:
        return [*shown, Text("the migration is complete: channels that really send may send", "good")]
    told = (
        "no suppression list was imported yet; channels that really send refuse to send until you run either\n"
        "  automation import suppressions FILE --mapping klaviyo|braze|FILE\n"
        "  automation migrate --nothing-to-import --by NAME --because TEXT"
    )
    return [*shown, Text(told, "odd")]


_NAMES = {"nothing": "nothing to import"}
