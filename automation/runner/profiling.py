"""Keeps the profile table up to the warehouse for those who read it often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from automation.config.settings_file import segments_named
from automation.runner.materials import conditions
from automation.runner.workspace import Workspace
from automation.types.campaign import Campaign, Condition, leaves
from automation.types.profile import PROFILE_COLUMNS
from automation.warehouse.connect import Warehouse
from automation.warehouse.profiling.refreshing import Refreshed


def refresh_profiles(workspace: Workspace, warehouse: Warehouse, *, anew: bool = False) -> Refreshed:
    """Measure whom the newest events touch; `anew` measures everybody."""
    return warehouse.refresh_profiles(timezone=workspace.project.settings.shop.timezone, anew=anew)


def refresh_for(workspace: Workspace, warehouse: Warehouse, campaign: Campaign) -> None:
    """Refresh where the campaign looks at profiles; a snapshot that finds none up to date computes its own."""
    if reads_profiles(campaign, workspace.project.settings.segments):
        refresh_profiles(workspace, warehouse)


def reads_profiles(campaign: Campaign, segments: Mapping[str, Condition]) -> bool:
    """Whether a rule, an order or a named segment of the campaign looks at a profile."""
    audience = campaign.audience
    every = [audience.condition, *conditions(campaign)]
    return audience.by in PROFILE_COLUMNS or any(_looks(condition, segments) for condition in every)


def _looks(condition: Condition, segments: Mapping[str, Condition]) -> bool:
    return any(leaf.key == "profile" for one in _with_segments(condition, segments) for leaf in leaves(one))


def _with_segments(condition: Condition, segments: Mapping[str, Condition]) -> Iterator[Condition]:
    yield condition
    for name in segments_named(condition):
        if name in segments:
            yield from _with_segments(segments[name], segments)
