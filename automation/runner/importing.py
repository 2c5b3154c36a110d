"""Import into the warehouse, and the consents that a file's mapping states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from automation.runner.workspace import Workspace
from automation.types.schema import TableName
from automation.warehouse.importing import ImportReport, import_files
from automation.warehouse.mapping_grammar import Mapping


def import_data(
    workspace: Workspace,
    table: TableName,
    paths: Sequence[Path],
    mapping: Mapping,
    *,
    progress: Callable[[int], None] = lambda _rows: None,
) -> ImportReport:
    """Read, clean and write the files; rows that can't be used go to a quarantine file, never away."""
    warehouse = workspace.warehouse()
    try:
        report = import_files(
            warehouse,
            workspace.project.registry,
            table,
            paths,
            mapping,
            quarantine=workspace.project.data_dir / "quarantine",
            now=workspace.clock.now(),
            progress=progress,
        )
    finally:
        warehouse.close()
    workspace.project.registry.observe(
        "events_recorded", table=table, rows=report.added, quarantined=report.quarantined
    )
    return report
