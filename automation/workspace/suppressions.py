"""The suppression plugins that config.yaml names."""

from __future__ import annotations

from automation.contracts import Suppression
from automation.workspace.workspace import Workspace


def suppressions_of(workspace: Workspace) -> list[Suppression]:
    """The suppression plugins that config.yaml names, in their order."""
    found = workspace.project.settings.suppressions
    return [workspace.project.registry.find("suppressions", using.name)(using.options) for using in found]
