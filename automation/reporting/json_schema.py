"""The JSON Schema that editors use, with the names that a project defines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from automation.config.json_schema import campaign_schema, settings_schema
from automation.config.project import load_project
from automation.errors import ConfigurationError
from automation.workspace.plugins import registry_of


def json_schema(root: Path | None, of: Literal["campaign", "config"]) -> dict[str, Any]:
    """The schema of a campaign file or of config.yaml. root: the project's folder, where there is one."""
    registry = registry_of(root)
    if of == "config":
        return settings_schema(registry)
    try:
        settings = load_project(root, registry).settings if root else None
    except ConfigurationError:
        settings = None  # the schema helps to repair it
    return campaign_schema(registry, settings)
