"""Whether the warehouse can be read, also by what the store knows of it."""

from __future__ import annotations

from automation.store import runs
from automation.store.restored_copy import read_last_flush
from automation.workspace.opened import Opened


def warehouse_damage(opened: Opened) -> list[str]:
    """One sentence for each table that can't be read, or is missing although something was in it."""
    from automation.warehouse.damage import find_damage  # Arrow is loaded only where somebody looks

    folder = opened.data_dir / "warehouse"
    found = find_damage(folder)
    with opened.store.reading() as connection:
        largest, flushed = runs.largest_audience(connection), read_last_flush(connection)
    own = opened.project is None or opened.project.settings.warehouse is None
    if own and largest and not (folder / "customers").exists():
        found.append(f"customers: the table is missing, although a run reached {largest:,}; put your copy back")
    if flushed and not (folder / "events").exists():
        found.append("events: the table is missing, although events were stored in it; put your copy back")
    return [f"{what} ({folder})" for what in found]
