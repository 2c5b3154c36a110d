"""Keeps the profile table up to date with the warehouse."""

from __future__ import annotations

from automation.rules.reads import reads_profiles
from automation.types.campaign import Campaign
from automation.warehouse.connect import Warehouse
from automation.warehouse.profiling.refreshing import Refreshed
from automation.workspace.workspace import Workspace


def refresh_profiles(workspace: Workspace, warehouse: Warehouse, *, anew: bool = False) -> Refreshed:
    """Recompute the profiles that the newest events change; `anew` recomputes all."""
    return warehouse.refresh_profiles(timezone=workspace.project.settings.shop.timezone, anew=anew)


def refresh_for(workspace: Workspace, warehouse: Warehouse, campaign: Campaign) -> None:
    """Refresh if the campaign uses profiles; a snapshot without current ones computes its own."""
    if reads_profiles(campaign, workspace.project.settings.segments):
        refresh_profiles(workspace, warehouse)
