"""The suppression plugins: those that config.yaml names, and the reasons that all of them give."""

from __future__ import annotations

from automation.contracts import Suppression
from automation.plugin_manager import Registry
from automation.workspace.workspace import Workspace


def suppressions_of(workspace: Workspace) -> list[Suppression]:
    """The suppression plugins that config.yaml names, in their order."""
    found = workspace.project.settings.suppressions
    return [workspace.project.registry.find("suppressions", using.name)(using.options) for using in found]


def suppression_reasons(registry: Registry) -> dict[str, str]:
    """The texts of all plugins' reason codes; of two plugins with one code, the first's."""
    found: dict[str, str] = {}
    for name in registry.names("suppressions"):
        found = {**registry.find("suppressions", name).codes, **found}
    return found
