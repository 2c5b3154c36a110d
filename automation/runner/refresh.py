"""Brings what reports read up to date: the inbox into the warehouse, and customer profiles."""

from __future__ import annotations

from automation.inbound.flush import flush_events
from automation.warehouse.profiling.refreshing import RefreshResult
from automation.workspace import profiles
from automation.workspace.workspace import Workspace


def flush_inbox(workspace: Workspace) -> int:
    """Move the events that wait in the store to the warehouse; returns how many."""
    warehouse = workspace.warehouse()
    try:
        return flush_events(workspace, warehouse)
    finally:
        warehouse.close()


def refresh_profiles(workspace: Workspace, *, everybody: bool = False) -> RefreshResult:
    """Compute the profiles of the customers whom new events concern, or of everybody."""
    warehouse = workspace.warehouse()
    try:
        return profiles.refresh_profiles(workspace, warehouse, everybody=everybody)
    finally:
        warehouse.close()
