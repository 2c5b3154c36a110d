"""The JSON form of what became of an imported file's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

_UNDONE = ("removed", "restored", "kept", "consents")

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automation.inbound.migration.migrate import MigrationReport
    from automation.inbound.undo_import import UndoReport
    from automation.store.imports import ImportRow
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


def list_json(rows: Sequence[ImportRow]) -> list[dict[str, object]]:
    """The imports on record."""
    return [
        {
            "import": row.id,
            "table": row.target,
            "files": list(row.files),
            "rows": row.rows,
            "by": row.by,
            "at": row.at.isoformat(),
            "undone_at": None if row.undone_at is None else row.undone_at.isoformat(),
            "undone_by": row.undone_by or None,
        }
        for row in rows
    ]


def undo_json(report: UndoReport) -> dict[str, object]:
    """What an undone import gave back."""
    return {"import": report.number, "table": report.target, **{name: getattr(report, name) for name in _UNDONE}}


def migration_json(report: MigrationReport) -> dict[str, object]:
    """An export of another tool: suppressions, consents or sends."""
    return vars(report).copy()
