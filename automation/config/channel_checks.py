"""Checks that a campaign's channels support what it asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from automation.config.problems import Problem
from automation.config.settings import Settings
from automation.config.source_map import SourceMap
from automation.contracts import ResolvingChannel
from automation.plugin_manager import Registry


def spell_channel_order(channels: Sequence[str], topic: str, *, marketing: bool) -> str:
    """Whom each further channel of a campaign takes: `sms takes those whom email can't reach: …`."""
    steps = [f"{later} takes those whom {earlier} can't reach" for earlier, later in pairwise(channels)]
    word = (
        f"no consent to {topic} on it (none on record, refused or withdrawn)"
        if marketing
        else f"refused or withdrawn consent to {topic} on it"
    )
    own = f"; each channel needs its own consent to {topic}" if marketing else ""
    return f"{'; '.join(steps)}: no address or an invalid one, {word}, or a suppressed address{own}"


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
