"""`automation plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Table, Text
from automation.errors import ConfigurationError

if TYPE_CHECKING:
    from automation.plugin_manager import Plugin, Registry


def plugins(
    context: typer.Context,
    action: Annotated[Literal["list", "check"], typer.Argument(help="what to do")] = "list",
    which: Annotated[str | None, typer.Argument(help="for check: a plugin's name, or its file")] = None,
) -> None:
    """List the plugins, or check one.

    `list` shows where each came from and what it contributes. `check` loads one and checks it against its contract.

    Example: automation plugins check plugins/weather.py
    """
    invocation: Invocation = context.obj
    if action == "list":
        _list(invocation)
    elif which is None:
        raise ConfigurationError("say which: automation plugins check NAME, or automation plugins check FILE")
    else:
        _check(invocation, which)


def _list(invocation: Invocation) -> None:
    from automation.config.settings_file import disabled_plugins
    from automation.workspace.plugins import registry_of

    root = invocation.root_or_none()
    registry = registry_of(root)
    disabled = disabled_plugins(root) if root else ()
    found = [_payload(registry, plugin) for plugin in registry.plugins.values()]
    rows = [(p.name, p.origin, p.version, "\n".join(_registers(registry, p)), p.location) for p in _all(registry)]
    shown = [
        Table(("plugin", "origin", "version", "contributes", "from"), [row for one in rows for row in _lines(one)])
    ]
    off = [Text(f"disabled in config.yaml: {', '.join(disabled)}", "odd")] if disabled else []
    invocation.output.show({"plugins": found, "disabled": list(disabled)}, *shown, *off)


def _all(registry: Registry) -> list[Plugin]:
    return list(registry.plugins.values())


def _lines(row: tuple[str, str, str, str, str]) -> list[tuple[str, ...]]:
    """One line for each thing that the plugin contributes."""
    name, origin, version, registers, location = row
    first, *rest = registers.split("\n")
    return [(name, origin, version, first, location), *(("", "", "", line, "") for line in rest)]


def _registers(registry: Registry, plugin: Plugin) -> list[str]:
    from automation.plugin_manager import KINDS

    return [
        f"{KINDS[kind]} {name}"
        for kind, named in registry.components.items()
        for name, (_, owner) in sorted(named.items())
        if owner == plugin.name
    ]


def _payload(registry: Registry, plugin: Plugin) -> dict[str, object]:
    names = ("name", "origin", "version", "location")
    return {**{name: getattr(plugin, name) for name in names}, "contributes": _registers(registry, plugin)}


def _check(invocation: Invocation, which: str) -> None:
    from automation.runner.plugin_check import check_plugin, load_one

    root = invocation.root_or_none()
    registry, plugin, heavy = load_one(which, root)
    problems = [*check_plugin(registry, plugin), *heavy]
    payload = {**_payload(registry, plugin), "problems": problems}
    told = "keeps its contracts" if not problems else f"{len(problems)} problem{'' if len(problems) == 1 else 's'}"
    found = ", ".join(_registers(registry, plugin)) or "nothing"
    invocation.output.show(
        payload,
        *(Text(problem, "bad") for problem in problems),
        Text(f"{plugin.name} ({plugin.origin}, {plugin.version or 'core'}) contributes {found}; {told}"),
    )
    if problems:
        raise typer.Exit(2)
