"""The plugins in use and what each contributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automation.config.settings_file import disabled_plugins
from automation.plugin_manager import KINDS, Plugin, Registry
from automation.workspace.plugins import registry_of


@dataclass(frozen=True)
class PluginSummary:
    """origin: core, installed or project. contributes: texts such as `recommender popular`."""

    name: str
    origin: str
    version: str
    location: str
    contributes: Sequence[str]

    def to_json(self) -> dict[str, object]:
        return vars(self).copy()


@dataclass(frozen=True)
class PluginList:
    """Every loaded plugin, and the names that config.yaml disables."""

    plugins: Sequence[PluginSummary]
    disabled: Sequence[str]

    def to_json(self) -> dict[str, object]:
        return {"plugins": [plugin.to_json() for plugin in self.plugins], "disabled": list(self.disabled)}


def list_plugins(root: Path | None) -> PluginList:
    """root: the project's folder; without one, only core and installed plugins. Raises `PluginError`."""
    registry = registry_of(root)
    plugins = [summarise_plugin(registry, plugin) for plugin in registry.plugins.values()]
    return PluginList(plugins, disabled_plugins(root) if root else ())


def summarise_plugin(registry: Registry, plugin: Plugin) -> PluginSummary:
    contributes = [
        f"{KINDS[kind]} {name}"
        for kind, named in registry.components.items()
        for name, (_, owner) in sorted(named.items())
        if owner == plugin.name
    ]
    return PluginSummary(plugin.name, plugin.origin, plugin.version, plugin.location, contributes)
