"""Which tables a campaign's conditions read, so that a run fetches only what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from automation.contracts import tables_read
from automation.plugin_manager import Registry
from automation.types.campaign import Campaign
from automation.types.condition import Condition, Leaf, leaves, referred_segments
from automation.types.profile import PROFILE_COLUMNS

_WITH_DECISIONS = frozenset({"decisions", "segments"})
"""Tables with earlier decisions; a segment's condition may read them too."""
_PLAIN = frozenset({"trait", "not_contacted"})
"""Rules that look at no behaviour and no figure derived from it."""


def offer_conditions(campaign: Campaign) -> list[Condition]:
    """The conditions in the offer policy's options, in order."""
    using = campaign.offer.using if campaign.offer else None
    return [] if using is None or using.options is None else list(_conditions(using.options))


def named_segments(campaign: Campaign, segments: Mapping[str, Condition]) -> set[str]:
    """The segments and models that any condition of the campaign names, also through named conditions, and what `top`
    ranks by."""
    every = [campaign.audience.condition, *offer_conditions(campaign), *_conditions(campaign)]
    through = [segments[name] for name in used_segments(every, segments)]
    by, trigger = campaign.audience.by, campaign.starts_when
    others = {by if isinstance(by, str) else None, trigger.enters if trigger else None} - {None}
    return {*referred_segments(*every, *through), *(str(name) for name in others)}


def reads_decisions(campaign: Campaign, registry: Registry) -> bool:
    """Whether any rule of the campaign may read earlier decisions, directly or through a segment."""
    every = [campaign.audience.condition, *offer_conditions(campaign)]
    rules = {leaf.key for condition in every for leaf in leaves(condition)}
    return any(tables_read(registry.find("rules", key)) & _WITH_DECISIONS for key in rules)


def _conditions(value: Any) -> Iterator[Condition]:
    from pydantic import BaseModel

    from automation.types.condition import Group, Leaf

    if isinstance(value, Leaf | Group):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _conditions(getattr(value, name))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _conditions(part)


def chooses_by_profiling(campaign: Campaign, segments: Mapping[str, Condition]) -> bool:
    """Whether whom the campaign writes to, when, or which offer they get depends on more than traits: on behaviour,
    profiles, models, SQL or an order of customers. Conditions that only end a journey don't count."""
    trigger, offer = campaign.starts_when, campaign.offer
    if trigger is not None and trigger.consent_given is None:
        return True
    if campaign.audience.by is not None or (offer is not None and offer.using is not None):
        return True
    every = [campaign.audience.condition, *(one for step in campaign.steps for one in _conditions(step))]
    found = [leaf for condition in every for one in _with_segments(condition, segments) for leaf in leaves(one)]
    return any(leaf.key not in _PLAIN and not _is_named(leaf, segments) for leaf in found)


def _is_named(leaf: Leaf, segments: Mapping[str, Condition]) -> bool:
    """Whether the leaf names a condition of config.yaml, whose own rules count instead, and no score of it."""
    return leaf.key == "segment" and getattr(leaf.options, "segment", None) in segments


def reads_profiles(campaign: Campaign, segments: Mapping[str, Condition]) -> bool:
    """Whether a rule, the order of `top` or a named segment of the campaign reads profiles."""
    audience = campaign.audience
    every = [audience.condition, *offer_conditions(campaign)]
    ranks = isinstance(audience.by, str) and audience.by in PROFILE_COLUMNS
    return ranks or any(_reads_profile(condition, segments) for condition in every)


def _reads_profile(condition: Condition, segments: Mapping[str, Condition]) -> bool:
    return any(leaf.key == "profile" for one in _with_segments(condition, segments) for leaf in leaves(one))


def used_segments(conditions: Iterable[Condition], segments: Mapping[str, Condition]) -> set[str]:
    """The named conditions that the conditions refer to, also through each other."""
    found: set[str] = set()
    waiting = [name for condition in conditions for name in referred_segments(condition)]
    while waiting:
        name = waiting.pop()
        if name in segments and name not in found:
            found.add(name)
            waiting += referred_segments(segments[name])
    return found


def _with_segments(condition: Condition, segments: Mapping[str, Condition]) -> Iterator[Condition]:
    yield condition
    for name in referred_segments(condition):
        if name in segments:
            yield from _with_segments(segments[name], segments)
