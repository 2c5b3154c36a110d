"""Loads a project's plugins: the core's components, installed plugins, and those in its folder."""

from __future__ import annotations

from pathlib import Path

from automation.config.settings_file import disabled_plugins
from automation.plugin_manager import Registry, load_plugins
from automation.rules import core


def registry_of(root: Path | None, *, own: bool = True) -> Registry:
    """The plugins for the project in `root`, or without a project. own: also those in its folder.

    Raises `PluginError`.
    """
    if root is None:
        return load_plugins(core=[core])
    if not own:
        return load_plugins(core=[core], disabled=disabled_plugins(root))
    return load_plugins(root / "plugins", core=[core], disabled=disabled_plugins(root))
