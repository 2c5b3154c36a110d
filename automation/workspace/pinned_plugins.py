"""Plugins that are no longer the ones a campaign was launched with: their code decides and writes in its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sqlalchemy.engine import Connection

from automation.config.project import Project
from automation.plugin_manager import Registry
from automation.store import launches
from automation.store.launches import Launched


def changed_since_launch(connection: Connection, project: Project, launch: Launched) -> list[str]:
    """What changed, a phrase for each plugin that the launched campaign uses. Reads the pinned files."""
    if not _differing(project.registry, launch.plugins):
        return []
    pinned = [launch.campaign_sha256, *launch.templates.values()]
    texts = (launches.read_content(connection, sha256).decode("utf-8", "replace") for sha256 in pinned)
    return find_changes(project, launch.plugins, texts)


def find_changes(project: Project, versions: Mapping[str, str], texts: Iterable[str]) -> list[str]:
    """What changed among the plugins with these versions. texts: the campaign's file and templates.

    A plugin counts as used where one of these, or config.yaml, has the name of a component or filter of its.
    """
    differing = _differing(project.registry, versions)
    if not differing:
        return []
    words = set(re.findall(r"\w+", " ".join([project.text, *texts])))
    return [
        f"plugin {name!r} changed since the launch: it was {was or 'without a version'}, it is {now}"
        for name, (was, now) in differing.items()
        if words & _components(project.registry, name)
    ]


def _differing(registry: Registry, versions: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Plugin → its version then and now. Those of this program itself are replaced by an upgrade, and don't count."""
    return {
        name: (versions[name], plugin.version)
        for name, plugin in registry.plugins.items()
        if not plugin.shipped and name in versions and versions[name] != plugin.version
    }


def _components(registry: Registry, plugin: str) -> set[str]:
    named = (name for kind in registry.components.values() for name, (_, owner) in kind.items() if owner == plugin)
    return {word for name in named for word in re.findall(r"\w+", name)}
