"""Files of another sender, imported as `automation import` does."""

from __future__ import annotations

from typing import Any

from automation.inbound.migration.migrate import MigrationReport, import_export
from automation.types.schema import MigrationTable
from automation.warehouse.importing.mapping import load_mapping
from automation.workspace.workspace import Workspace


def take(workspace: Workspace, kind: MigrationTable, text: str, mapping: str = "plain", **told: Any) -> MigrationReport:
    path = workspace.project.root / f"{kind}.csv"
    path.write_text(text)
    loaded = load_mapping(mapping, timezone=workspace.project.settings.shop.timezone)
    return import_export(workspace, kind, path, loaded, by="ana", **told)
