"""Messages sent by the previous tool; they count for caps and re-entry like our own."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.store.engine import insert_rows, table
from automation.store.tables import CapEntry

_cap_entry = table(CapEntry)

IMPORTED = "imported:"
"""Prefix of an imported send's message id."""
COLUMNS: Mapping[str, pl.DataType] = {
    "message_id": pl.String(),
    "customer_id": pl.String(),
    "recipient": pl.String(),
    "channel": pl.String(),
    "topic": pl.String(),
    "campaign": pl.String(),
    "at": pl.Int64(),
}


def add_sends(connection: Connection, rows: pl.DataFrame) -> int:
    """Record a batch of imported sends (`COLUMNS`); known ones stay as they are. Returns how many are new."""
    rows = rows.unique("message_id", keep="first", maintain_order=True)
    query = sa.select(_cap_entry.c.message_id).where(_cap_entry.c.message_id.in_(rows["message_id"].to_list()))
    known = list(connection.execute(query).scalars())
    new = rows.filter(~pl.col("message_id").is_in(known))
    insert_rows(connection, CapEntry, tuple(COLUMNS), new.select(list(COLUMNS)).rows())
    return new.height
