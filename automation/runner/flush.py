"""Moves the inbox to the warehouse, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from automation.runner.workspace import Workspace
from automation.store import inbox
from automation.types.schema import EVENTS
from automation.warehouse.connect import Warehouse

APP = "inbox"


def flush(workspace: Workspace, warehouse: Warehouse) -> int:
    """Append what waits in the inbox to the events table; returns how many rows.

    A crash between the Delta commit and the store's is repaired by looking the flush number up in the Delta log.
    """
    moved = 0
    now = workspace.clock.now()
    while True:
        with workspace.store.transaction() as connection:
            no = inbox.begin_flush(connection, now=now)
        if no is None:
            return moved
        if not warehouse.has_transaction(APP, no):
            with workspace.store.reading() as connection:
                rows = inbox.rows_of(connection, no)
            warehouse.append_events(_frame(rows), transaction=(APP, no))
            moved += len(rows)
            workspace.project.registry.observe("events_recorded", table="events", rows=len(rows), quarantined=0)
        with workspace.store.transaction() as connection:
            inbox.finish_flush(connection, no, now=now)


def _frame(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Inbox rows with the columns that the events table declares."""
    kinds = {"text": pl.String, "number": pl.Float64, "time": pl.String}
    schema = {name: kinds[kind] for name, kind in EVENTS.columns.items()}
    frame = pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)
    return frame.with_columns(pl.col("occurred_at").str.to_datetime(time_unit="us", time_zone="UTC"))


def event(
    *, event_id: str, customer_id: str, type_: str, occurred_at: datetime, message_id: str | None = None
) -> dict[str, object]:
    """One inbox row."""
    return {
        "event_id": event_id,
        "customer_id": customer_id,
        "type": type_,
        "occurred_at": occurred_at.isoformat(),
        "message_id": message_id,
    }
