"""`automation plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Block, Table, Text
from automation.errors import ConfigurationError
from automation.types.plural import format_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from automation.reporting.plugins import PluginSummary


def plugins(
    context: typer.Context,
    action: Annotated[Literal["list", "check"], typer.Argument(help="what to do")] = "list",
    which: Annotated[str | None, typer.Argument(help="check: a plugin's name, or its file")] = None,
) -> None:
    """List the plugins, or check one.

    `list` shows where each came from and what it contributes. `check` loads one and checks it against its contract.

    Example: automation plugins check plugins/weather.py
    """
    invocation: Invocation = context.obj
    if action == "list":
        _list(invocation)
    elif which is None:
        raise ConfigurationError("name the plugin: automation plugins check NAME, or automation plugins check FILE")
    else:
        _check(invocation, which)


def _list(invocation: Invocation) -> None:
    from automation.reporting.plugins import list_plugins

    found = list_plugins(invocation.root_or_none())
    rows = [row for plugin in found.plugins for row in _rows(plugin)]
    shown: list[Block] = [Table(("plugin", "origin", "version", "contributes", "location"), rows)]
    if found.disabled:
        shown.append(Text(f"disabled in config.yaml: {', '.join(found.disabled)}", "warning"))
    invocation.output.show(found.to_json(), *shown)


def _rows(plugin: PluginSummary) -> Iterator[tuple[str, ...]]:
    """One line for each thing that the plugin contributes."""
    first, *rest = plugin.contributes or [""]
    yield (plugin.name, plugin.origin, plugin.version, first, plugin.location)
    yield from (("", "", "", line, "") for line in rest)


def _check(invocation: Invocation, which: str) -> None:
    from automation.reporting.plugins import summarise_plugin
    from automation.runner.plugin_check import check_plugin, load_plugin

    registry, plugin, heavy = load_plugin(which, invocation.root_or_none())
    problems = [*check_plugin(registry, plugin), *heavy]
    found = summarise_plugin(registry, plugin)
    result = f"{format_count(len(problems), 'problem')} found" if problems else "no problems found"
    contributes = ", ".join(found.contributes) or "nothing"
    invocation.output.show(
        {**found.to_json(), "problems": problems},
        *(Text(problem, "error") for problem in problems),
        Text(f"{found.name} ({found.origin}, {found.version or 'core'}) contributes {contributes}; {result}"),
    )
    if problems:
        raise typer.Exit(2)
