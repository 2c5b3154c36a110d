"""Loads a project's plugins: the core's components, installed plugins, and those in its folder."""

from __future__ import annotations

from pathlib import Path

from automation.config.settings_file import disabled_plugins
from automation.plugin_manager import Registry, load_plugins
from automation.rules import core


def registry_of(root: Path | None) -> Registry:
    """The plugins for the project in `root`, or without a project. Raises `PluginError`."""
    if root is None:
        return load_plugins(core=[core])
    return load_plugins(root / "plugins", core=[core], disabled=disabled_plugins(root))
