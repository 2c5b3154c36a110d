"""Backups of the store, and whether this store is a restored copy that must not send yet."""

from __future__ import annotations

from pathlib import Path

from automation.inbound.flush import APP
from automation.store import launches, restored_copy, schedules
from automation.warehouse.writing import last_transaction
from automation.workspace.workspace import Workspace


def check_restored_copy(workspace: Workspace) -> str | None:
    """Why nothing may be sent from this store, or None where it is not a restored copy."""
    flushed = _flushed(workspace)
    with workspace.store.transaction() as connection:
        return restored_copy.find_quarantine(connection, flushed=flushed, now=workspace.clock.now())


def accept_restored_copy(workspace: Workspace) -> bool:
    """Resume sending from a restored copy; returns whether it was one. Runs that were due meanwhile are skipped."""
    flushed, now = _flushed(workspace), workspace.clock.now()
    with workspace.store.transaction() as connection:
        was = restored_copy.accept_copy(connection, flushed=flushed, now=now)
        if was:
            schedules.set_handled_until(connection, launches.current_launches(connection), now)
    return was


def back_up(workspace: Workspace, target: Path) -> None:
    """Copy the store while it is in use. Raises `StoreError`."""
    restored_copy.back_up(workspace.store, target, now=workspace.clock.now())


def _flushed(workspace: Workspace) -> int | None:
    return last_transaction(workspace.project.data_dir / "warehouse", APP)
