"""Backups of the store, and whether this store is a restored copy that must not send yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from automation.errors import AutomationError
from automation.store import generation, launches, restored_copy, schedules
from automation.store.restored_copy import Evidence

if TYPE_CHECKING:
    from automation.workspace.opened import Opened

log = structlog.get_logger(__name__)


def check_restored_copy(opened: Opened) -> str | None:
    """Why nothing may be sent from this store, or None where it is not a restored copy.

    A warehouse that can't be read is no reason: the runs that need it are held.
    """
    try:
        flushed = _flushed(opened)
    except AutomationError as error:
        log.error("the store can't be compared with the warehouse", because=str(error))
        flushed = None
    evidence = _evidence(opened, flushed)
    with opened.store.transaction() as connection:
        return restored_copy.find_quarantine(connection, evidence, now=opened.clock.now())


def accept_restored_copy(opened: Opened) -> bool:
    """Resume sending from a restored copy; returns whether it was one.

    Runs that were due meanwhile are skipped; what was waiting is ambiguous, since it may have been sent. Raises
    `AutomationError` where the warehouse can't be read.
    """
    evidence, now = _evidence(opened, _flushed(opened)), opened.clock.now()
    with opened.store.transaction() as connection:
        was = restored_copy.accept_copy(connection, evidence, now=now)
        if was:
            schedules.set_handled_until(connection, launches.current_launches(connection), now)
    return was


def back_up(opened: Opened, target: Path) -> None:
    """Copy the store while it is in use. Raises `StoreError`."""
    restored_copy.back_up(opened.store, target, now=opened.clock.now())


def needs_warehouse(opened: Opened) -> bool:
    """Whether there are tables that the store is compared with."""
    return (opened.data_dir / "warehouse" / "events").exists()


def _evidence(opened: Opened, flushed: int | None) -> Evidence:
    beside = generation.generation_file(opened.store)
    return Evidence(flushed, beside.read(), generation.file_identity(opened.store))


def _flushed(opened: Opened) -> int | None:
    if not needs_warehouse(opened):
        return None
    from automation.inbound.flush import APP
    from automation.warehouse.writing import last_transaction

    try:
        return last_transaction(opened.data_dir / "warehouse", APP)
    except Exception as error:  # whatever the library says of a broken log
        what = f"the warehouse's events can't be read: {str(error).splitlines()[0]}; automation doctor shows the damage"
        raise AutomationError(what) from error
