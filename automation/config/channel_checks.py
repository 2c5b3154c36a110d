"""Checks that a campaign's channels support what it asks of them."""

from __future__ import annotations

from collections.abc import Iterator

from automation.config.problems import Problem
from automation.config.settings import Settings
from automation.config.source_map import SourceMap
from automation.contracts import ResolvingChannel
from automation.plugin_manager import Registry


def check_channels(source: SourceMap, settings: Settings, registry: Registry) -> Iterator[Problem]:
    """`on_ambiguous: resolve` needs channels that can report what happened to a message."""
    if source.get(("limits", "on_ambiguous")) != "resolve":
        return
    named = source.get(("send", "channels"))
    for name in named if isinstance(named, list) else ():
        channel = settings.channels.get(name) if isinstance(name, str) else None
        for provider in (channel, channel.otherwise) if channel is not None else ():
            if provider is not None and not _can_be_asked(registry, provider.name):
                what = f"the channel {name!r} ({provider.name}) can't report what happened to a message"
                yield source.problem(("limits", "on_ambiguous"), f"{what}; write hold or resend")


def _can_be_asked(registry: Registry, using: str) -> bool:
    return isinstance(registry.find("channels", using), ResolvingChannel)
