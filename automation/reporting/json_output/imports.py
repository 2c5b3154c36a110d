"""The JSON form of what became of an imported file's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

_UNDONE = ("removed", "restored", "kept", "consents")

if TYPE_CHECKING:
    from automation.inbound.migration.migrate import MigrationReport
    from automation.inbound.undo_import import UndoReport
    from automation.warehouse.importing.importer import ImportReport

_COUNTS = (
    "lines",
    "rows",
    "added",
    "updated",
    "unchanged",
    "duplicates",
    "repeated",
    "quarantined",
    "notes",
    "seconds",
)


def import_json(table: str, report: ImportReport) -> dict[str, object]:
    """A file of customers, products or events."""
    return {
        "table": table,
        "import": report.number,
        **{name: getattr(report, name) for name in _COUNTS},
        "skipped": dict(report.skipped),
        "quarantine_file": report.quarantine_file,
        "repeated_at": list(report.repeated_at),
        "faults": [vars(fault).copy() for fault in report.faults],
        "warnings": list(report.warnings),
    }


def undo_json(report: UndoReport) -> dict[str, object]:
    """What an undone import gave back."""
    return {"import": report.number, "table": report.target, **{name: getattr(report, name) for name in _UNDONE}}


def migration_json(report: MigrationReport) -> dict[str, object]:
    """An export of another tool: suppressions, consents or sends."""
    return vars(report).copy()
