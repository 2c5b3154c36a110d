"""Whether a plugin's components match their contracts, as far as that can be checked without data.

The contract suites of `automation.testing` go further: a plugin's own tests call them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from automation.contracts.shape import BY_KIND, HEAVY, shape_problems
from automation.errors import ConfigurationError
from automation.plugin_manager import KINDS, Plugin, Registry, load_plugins
from automation.workspace.plugins import registry_of


def load_plugin(which: str, root: Path | None) -> tuple[Registry, Plugin, list[str]]:
    """Load a plugin by name or file beside the installed ones; returns also which heavy libraries it imports.

    Raises `PluginError` where it can't be loaded, and `ConfigurationError` where there is none of that name.
    """
    file = find_plugin_file(which)
    before = set(sys.modules)
    registry = registry_of(root) if file is None else _with_file(file)
    name = which if file is None else (file.parent.name if file.name == "__init__.py" else file.stem)
    if name not in registry.plugins:
        raise ConfigurationError(f"there is no plugin {name!r}; loaded are: {', '.join(sorted(registry.plugins))}")
    heavy = sorted(set(HEAVY) & (set(sys.modules) - before)) if file is not None else []
    problems = [f"it imports {lib} when it is loaded; import it inside the functions that use it" for lib in heavy]
    return registry, registry.plugins[name], problems


def find_plugin_file(which: str) -> Path | None:
    """The plugin's file, if `which` names a file."""
    path = Path(which)
    if path.suffix == ".py" and path.is_file():
        return path.parent / "__init__.py" if path.name == "__init__.py" else path
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


def _with_file(file: Path) -> Registry:
    """The installed plugins and this one, without the others in its folder."""
    from automation.rules import core

    entry = file.parent if file.name == "__init__.py" else file
    others = {found.stem if found.suffix == ".py" else found.name for found in entry.parent.iterdir()} - {entry.stem}
    return load_plugins(entry.parent, core=[core], disabled=others - set(registry_of(None).plugins))


def check_plugin(registry: Registry, plugin: Plugin) -> Iterator[str]:
    """The problems of its components, one line each."""
    for kind, named in registry.components.items():
        for name, (component, owner) in named.items():
            if owner == plugin.name and kind in BY_KIND:
                yield from (f"{KINDS[kind]} {name!r}: {what}" for what in _check(kind, name, component))


def _check(kind: str, name: str, component: Any) -> Iterator[str]:
    yield from shape_problems(kind, name, component)
    yield from _check_construction(component)


def _check_construction(component: Any) -> Iterator[str]:
    """Create it, if all its options have defaults."""
    options: type[BaseModel] = component.Options
    try:
        made = options()
    except ValidationError:
        return
    try:
        component(made)
    except Exception as error:
        yield f"it can't be created with its default options: {type(error).__name__}: {error}"
