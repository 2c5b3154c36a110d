"""The channels that config.yaml names, and the providers behind them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from automation.config.project import Project
from automation.contracts import Channel
from automation.messages.render import Kind

if TYPE_CHECKING:
    from automation.workspace.workspace import Workspace


def make_channel(workspace: Workspace, name: str) -> Channel:
    """The channel `name` of config.yaml; paths in its options are relative to the project."""
    return channel_of(workspace.project, name)


def channel_of(project: Project, name: str, provider: int = 0) -> Channel:
    """The channel with its first provider, or with the one to fail over to."""
    settings = project.settings.channels[name]
    using = settings.provider(provider)
    assert using is not None
    assert using.options is not None
    channel: Channel = project.registry.find("channels", using.name)(_placed(using.options, project.root))
    return channel


_CONCURRENCY = 16
"""Messages at once of a channel that does not say how many."""


def concurrency_of(project: Project, name: str, provider: int) -> int:
    """How many messages one process of the channel works on at once: two for each of its `connections`, since the next
    is made ready while one is answered."""
    settings = project.settings.channels.get(name)
    using = settings.provider(provider) if settings is not None else None
    connections = getattr(using.options if using is not None else None, "connections", None)
    return 2 * connections if isinstance(connections, int) else _CONCURRENCY


def channel_kinds(workspace: Workspace, names: tuple[str, ...] | None = None) -> dict[str, Kind]:
    """The kind of address that each channel wants."""
    return kinds_of(workspace.project, names)


def kinds_of(project: Project, names: tuple[str, ...] | None = None) -> dict[str, Kind]:
    """The kind of address that each channel of the project wants."""
    channels, registry = project.settings.channels, project.registry
    return {name: registry.find("channels", channels[name].name).kind for name in names or channels}


def _placed(options: BaseModel, root: Path) -> BaseModel:
    return options.model_copy(update={name: _rooted(value, root) for name, value in options})


def _rooted(value: Any, root: Path) -> Any:
    """Paths are relative to the project, also those in nested options."""
    if isinstance(value, Path):
        return root / value
    if isinstance(value, BaseModel):
        return _placed(value, root)
    return tuple(_rooted(one, root) for one in value) if isinstance(value, tuple) else value
