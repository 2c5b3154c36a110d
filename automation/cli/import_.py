"""`automation import`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.errors import ConfigurationError
from automation.types.plural import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automation.inbound.migration.migrate import MigrationReport
    from automation.types.schema import MigrationTable, TableName
    from automation.warehouse.importing.importer import ImportReport


_LISTED = 50
"""How many of the last imports `list` shows."""


def import_(
    context: typer.Context,
    table: Annotated[
        Literal["customers", "products", "events", "suppressions", "consents", "sends", "list", "undo"],
        typer.Argument(
            help="what the files hold; sends: messages that your previous tool sent recently; list: show the last "
            "imports; undo: take one of them back"
        ),
    ],
    files: Annotated[
        list[Path] | None, typer.Argument(help="CSV, JSON Lines or Parquet, gzipped or not; undo: the import's number")
    ] = None,
    mapping: Annotated[str | None, typer.Option(help="a YAML file that maps the columns, or a preset's name")] = None,
    preset: Annotated[
        str | None, typer.Option(help="a ready mapping: shopify, woocommerce; klaviyo, braze for a migration")
    ] = None,
    topic: Annotated[
        list[str] | None, typer.Option(help="the topic of consents and sends; by default every marketing topic")
    ] = None,
    confirmed: Annotated[bool, typer.Option(help="consents: already confirmed by double opt-in")] = False,
) -> None:
    """Import a shop's data, or consents and suppressions from another tool.

    Importing the same file again changes nothing. Rows that can't be used go to a quarantine file with their reason.
    `undo` removes what an import added and restores what it changed, for about a week.

    Example: automation import customers customers_export.csv --preset shopify
    """
    invocation: Invocation = context.obj
    if table == "list":
        _list(invocation, files)
        return
    if table == "undo":
        _undo(invocation, files or [])
        return
    if not files:
        raise typer.BadParameter("name at least one file", param_hint="FILES")
    files = [_existing(file) for file in files]
    if mapping is not None and preset is not None:
        raise ConfigurationError("give one of --mapping FILE and --preset NAME, not both")
    wanted = preset or absolute_mapping(mapping)
    if table == "suppressions" or table == "consents" or table == "sends":  # noqa: PLR1714  # mypy narrows only this
        import_migration(invocation, table, files, wanted, topics=topic or (), confirmed=confirmed)
        return
    if wanted is None:
        raise ConfigurationError("a mapping of the columns is needed: --mapping FILE, or --preset shopify|woocommerce")
    if topic or confirmed:
        raise ConfigurationError(f"--topic and --confirmed apply to consents and sends, not to {table}")
    _import(invocation, table, files, wanted)


def _existing(file: Path) -> Path:
    """The absolute path, since the command changes to the project's folder."""
    if not file.exists():
        raise typer.BadParameter(f"Path '{file}' does not exist.", param_hint="FILES")
    return file.resolve()


def _list(invocation: Invocation, files: list[Path] | None) -> None:
    from automation.reporting.json_output.imports import list_json
    from automation.store import imports
    from automation.workspace.shop_format import shop_format

    if files:
        raise ConfigurationError("automation import list takes no files; to import them, say what they hold")
    with invocation.workspace_or_store(None) as opened:
        with opened.store.reading() as connection:
            found = imports.latest(connection, limit=_LISTED)
        shop = shop_format(opened)
    rows = [
        (
            row.id, row.target, ", ".join(row.files), row.rows, shop.cell(row.at), row.by,
            f"undone {shop.cell(row.undone_at)} by {row.undone_by}" if row.undone_at else "",
        )
        for row in found
    ]  # fmt: skip
    headings = ("import", "of", "files", "rows", f"at ({shop.zone})", "by", "")
    block: Block = Table(headings, rows, title="Imports, the last first") if rows else Text("nothing was imported yet")
    invocation.output.show({"imports": list_json(found)}, block)


def _undo(invocation: Invocation, numbers: list[Path]) -> None:
    from automation.inbound.undo_import import undo_import
    from automation.reporting.json_output.imports import undo_json

    if len(numbers) != 1 or not str(numbers[0]).isdecimal():
        raise ConfigurationError(
            "write the number of one import: automation import undo 3; automation import list shows them"
        )
    with invocation.workspace() as workspace:
        report = undo_import(workspace, int(str(numbers[0])), by=getpass.getuser())
    rows = [("removed", report.removed), ("restored", report.restored), ("kept: changed since", report.kept)]
    shown: list[Block] = [Table(("rows", "count"), rows, title=f"Import {report.number} of {report.target}, undone")]
    if report.consents:
        shown.append(Text(f"{format_count(report.consents, 'consent')} that it recorded do not count any more"))
    invocation.output.show(undo_json(report), *shown)


def absolute_mapping(mapping: str | None) -> str | None:
    """A file's absolute path, since the command changes to the project's folder; a preset's name as it is."""
    if mapping is None or not Path(mapping).exists():
        return mapping
    return str(Path(mapping).resolve())


def _import(invocation: Invocation, table: TableName, files: list[Path], wanted: str) -> None:
    from automation.inbound.shop_import import import_data
    from automation.reporting.json_output.imports import import_json
    from automation.warehouse.importing.mapping import load_mapping

    chosen = load_mapping(wanted)
    with invocation.workspace() as workspace, invocation.output.progress("rows") as tick:
        report = import_data(
            workspace, table, files, chosen, progress=lambda lines: tick("importing", lines, 0), by=getpass.getuser()
        )
    invocation.output.show(import_json(table, report), *_import_blocks(table, report))


_COUNTS = ("added", "updated", "unchanged", "duplicates", "quarantined")


def _import_blocks(table: str, report: ImportReport) -> list[Block]:
    rows: list[tuple[str, int]] = [(name, getattr(report, name)) for name in _COUNTS]
    rows += [(f"left out: {reason}", count) for reason, count in report.skipped.items()]
    rate = report.lines / report.seconds if report.seconds else 0
    blocks: list[Block] = [
        Table(("rows", "count"), [*rows, ("in all", report.rows)], title=f"Import of {table}"),
        Text(f"{format_count(report.lines, 'line')} in {report.seconds:.1f} s, {rate:,.0f} rows/s", "muted"),
    ]
    blocks += [Text(f"warning: {warning}", "warning") for warning in report.warnings]
    if report.number is not None and report.added + report.updated:
        blocks.append(Text(f"to take it back: automation import undo {report.number}", "muted"))
    if report.repeated:
        blocks.append(Text(_repeated(report), "warning"))
    if report.faults:
        blocks.append(_faults(report))
    if report.notes:
        blocks.append(Text(f"{format_count(report.notes, 'single value')} could not be used and set empty", "warning"))
    if report.quarantine_file:
        blocks.append(Text(f"rows that could not be used, with the reason: {report.quarantine_file}", "warning"))
    return blocks


def _repeated(report: ImportReport) -> str:
    """Real order lines may repeat each other; which ones do is for a person to judge."""
    lines = format_count(report.repeated, "line")
    at = ", ".join(report.repeated_at) + (" …" if report.repeated > len(report.repeated_at) else "")
    return (
        f"{lines} of the duplicates repeat an earlier line of the same files: {at}; if they really happened, such as "
        "two equal lines of an order, write repeats: keep in the mapping and import the file again"
    )


def _faults(report: ImportReport) -> Table:
    """The most frequent reasons, and what would mend them."""
    rows = [
        (
            fault.rows,
            f"{fault.column} {fault.reason}" + ("" if fault.quarantined else " (set empty)"),
            f"row {fault.row}" + ("" if fault.value is None else f": {fault.value}"),
            fault.mend,
        )
        for fault in report.faults
    ]
    return Table(("rows", "could not be used because", "such as", "what would mend it"), rows)


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
    from automation.reporting.json_output.imports import migration_json
    from automation.warehouse.importing.mapping import load_mapping

    by = getpass.getuser()
    with invocation.workspace() as workspace, invocation.output.progress("rows") as tick:
        mapping = load_mapping(wanted or "plain", timezone=workspace.project.settings.shop.timezone)
        reports = [
            import_export(
                workspace, table, path, mapping, by=by, topics=topics, confirmed=confirmed,
                progress=lambda lines: tick("importing", lines, 0),
            )
            for path in files
        ]  # fmt: skip
    for report in reports:
        invocation.output.show(migration_json(report), *_migration_blocks(report))


def _migration_blocks(report: MigrationReport) -> list[Block]:
    rows = [
        ("used", report.used),
        ("left out: nothing to record", report.left_out),
        ("quarantined", report.quarantined),
    ]
    blocks: list[Block] = [
        Table(("rows", "count"), [*rows, ("in all", report.lines)], title=f"Import of {report.what}"),
        Text(f"{report.added:,} new on record; importing the file again changes nothing"),
    ]
    if report.pending:
        blocks.append(Text(f"{report.pending:,} wait for confirmation: automation consent pending", "warning"))
    blocks += [Text(f"warning: {warning}", "warning") for warning in report.warnings]
    if report.quarantine_file:
        blocks.append(Text(f"rows that could not be used, with the reason: {report.quarantine_file}", "warning"))
    return blocks
