"""The channels that config.yaml names."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from automation.contracts import Channel
from automation.pipeline.render import Kind
from automation.runner.workspace import Workspace


def make_channel(workspace: Workspace, name: str) -> Channel:
    """The channel that config.yaml calls `name`; relative paths in its options start at the project."""
    using = workspace.project.settings.channels[name]
    assert using.options is not None
    options = _placed(using.options, workspace.project.root)
    channel: Channel = workspace.project.registry.find("channels", using.name)(options)
    return channel


def channel_kinds(workspace: Workspace, names: tuple[str, ...] | None = None) -> dict[str, Kind]:
    """The kind of address that each channel wants."""
    channels, registry = workspace.project.settings.channels, workspace.project.registry
    return {name: registry.find("channels", channels[name].name).kind for name in names or channels}


def _placed(options: BaseModel, root: Path) -> BaseModel:
    paths = {name: root / value for name, value in options if isinstance(value, Path)}
    return options.model_copy(update=paths)
