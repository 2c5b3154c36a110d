"""Imports what shops reported by webhook, in the same way as their exports."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import structlog

from automation.inbound.shop_import import import_data
from automation.store.inbox import shop_reports
from automation.store.inbox.shop_reports import WaitingLines
from automation.warehouse.importing.importer import ImportReport
from automation.warehouse.importing.mapping import load_mapping
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)


def import_shop_reports(workspace: Workspace) -> int:
    """Import everything that waits; returns how many lines.

    After a crash before the last step the import is repeated, which changes nothing.
    """
    imported = 0
    while True:
        with workspace.store.reading() as connection:
            waiting = shop_reports.read_waiting(connection)
        if not waiting:
            return imported
        for group in waiting:
            report = _import(workspace, group)
            imported += report.lines
            with workspace.store.transaction() as connection:
                shop_reports.delete_imported(connection, group)
            if report.quarantined:
                log.warning("webhook lines were quarantined", table=group.table, file=str(report.quarantine_file))


def _import(workspace: Workspace, group: WaitingLines) -> ImportReport:
    folder = workspace.project.data_dir / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    columns = {name: "" for line in group.lines for name in line}
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        path = Path(temporary) / f"{group.preset}-webhook.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({**columns, **line}, ensure_ascii=False) + "\n" for line in group.lines)
        return import_data(workspace, group.table, [path], load_mapping(group.preset))
