"""The frequency caps that a campaign's messages are under, and what it may claim there against others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from automation.clock import in_millis
from automation.types.campaign import Campaign
from automation.types.limits import Cap
from automation.types.safety import Caps

CAPPED, TOO_SOON, DEFERRED_BY_CAP = "frequency_cap", "min_gap", "deferred_by_cap"


@dataclass(frozen=True)
class CapRule:
    """At most `sends` messages of `topics` in any `window`; `channel`: only those on it. `name` is for people."""

    sends: int
    window: timedelta
    topics: frozenset[str]
    channel: str | None = None
    code: str = CAPPED
    name: str = ""

    @property
    def millis(self) -> int:
        return in_millis(self.window)

    def counts(self) -> pl.Expr:
        """Whether a contact is one of those that the cap is about."""
        of_topic = pl.col("topic").is_in(list(self.topics))
        return of_topic if self.channel is None else of_topic & (pl.col("channel") == self.channel)


@dataclass(frozen=True)
class CompetingRun:
    """An upcoming run of a competing campaign, which takes its cap slots already."""

    campaign: str
    topic: str
    channel: str
    priority: int
    due_at: datetime
    members: pl.Series
    """Customer ids, sorted."""


@dataclass(frozen=True)
class CapRequest:
    """What a campaign asks of the caps, and against which other campaigns.

    wait: how long a message that is over a cap may wait; None: it is refused. others: the caps of every launched
    campaign, by name, which one that is put off must still keep to.
    """

    campaign: str
    topic: str
    priority: int
    rules: Sequence[CapRule]
    wait: timedelta | None = None
    others: Mapping[str, Sequence[CapRule]] = field(default_factory=dict)
    upcoming: Sequence[CompetingRun] = ()


def cap_rules(campaign: Campaign, caps: Caps, topics: Mapping[str, str]) -> list[CapRule]:
    """Every cap that applies to this campaign. topics: each topic's kind, marketing or service."""
    kind = topics[campaign.topic]
    alike = frozenset(name for name, its_kind in topics.items() if its_kind == kind)
    found = []
    if campaign.limits.cap is not None:
        found.append(_rule(campaign.limits.cap, alike, f"its own limit of {_describe(campaign.limits.cap)}"))
    found += [
        _rule(cap, frozenset({campaign.topic}), f"{_describe(cap)} of {campaign.topic}")
        for cap in caps.topics.get(campaign.topic, ())
    ]
    if kind == "marketing":
        found += [_rule(cap, alike, f"{_describe(cap)} in all") for cap in caps.total]
        found += [
            CapRule(cap.sends, cap.window, alike, channel, name=f"{_describe(cap)} by {channel}")
            for channel, of_channel in caps.channels.items()
            for cap in of_channel
        ]
        if caps.min_gap is not None:
            found.append(CapRule(1, caps.min_gap, alike, code=TOO_SOON, name=f"{_length(caps.min_gap)} between two"))
    return found


def _rule(cap: Cap, topics: frozenset[str], name: str) -> CapRule:
    return CapRule(cap.sends, cap.window, topics, name=name)


def _describe(cap: Cap) -> str:
    return f"{cap.sends} per {_length(cap.window)}"


def _length(span: timedelta) -> str:
    """`7d`, `20h` or `90m`, as people write it."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
