"""Keeps the profile table up to date with the warehouse."""

from __future__ import annotations

from automation.rules.reads import reads_profiles
from automation.types.campaign import Campaign
from automation.types.shown_values import ShownValues
from automation.warehouse.embedded import Warehouse
from automation.warehouse.profiling.refreshing import RefreshResult
from automation.workspace.workspace import Workspace


def refresh_profiles(workspace: Workspace, warehouse: Warehouse, *, everybody: bool = False) -> RefreshResult:
    """Recompute the profiles that the newest events change; `everybody` recomputes all."""
    return warehouse.refresh_profiles(timezone=workspace.project.settings.shop.timezone, everybody=everybody)


def refresh_for(workspace: Workspace, warehouse: Warehouse, campaign: Campaign, shown: ShownValues) -> None:
    """Refresh if the campaign's rules or texts use profiles; a snapshot without current ones computes its own."""
    if shown.profile or reads_profiles(campaign, workspace.project.settings.segments):
        refresh_profiles(workspace, warehouse)
