"""`automation import undo N`: takes an import back, with the consents that it recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.errors import AutomationError
from automation.store import imports
from automation.store.engine import table as store_table
from automation.store.imports import ImportRow
from automation.store.people import consent
from automation.store.tables import ConsentRecord, ConsentRequest
from automation.workspace.workspace import Workspace

METHOD = "import"
"""How consents of an import are recorded; `consent_record.method`."""
_record, _request = store_table(ConsentRecord), store_table(ConsentRequest)
_KEY = ["customer_id", "channel", "topic"]


@dataclass(frozen=True)
class UndoReport:
    """What became of the import's rows (`undoing.Undone`), and of its consents: how many were taken back."""

    number: int
    target: str
    removed: int
    restored: int
    kept: int
    consents: int


def undo_import(workspace: Workspace, number: int, *, by: str) -> UndoReport:
    """Take the import back. Raises `AutomationError` for an unknown number, one undone already, or one too long ago."""
    with workspace.store.reading() as connection:
        found = imports.get(connection, number)
    if found.undone_at is not None:
        raise AutomationError(f"import {number} was undone already, at {found.undone_at:%Y-%m-%d %H:%M} UTC")
    warehouse = workspace.warehouse()
    try:
        undone = warehouse.undo(found.target, found.version_before, found.version_after)
    finally:
        warehouse.close()
    now = workspace.clock.now()
    with workspace.store.transaction() as connection:
        consents = _take_back_consents(connection, found, by=by, now=now)
        imports.mark_undone(connection, number, by=by, now=now)
    return UndoReport(number, found.target, undone.removed, undone.restored, undone.kept, consents)


def _take_back_consents(connection: Connection, found: ImportRow, *, by: str, now: datetime) -> int:
    """Record what was known before the import, or a no, wherever its record is still the latest one.

    Consent records are never deleted: they are the proof of what was sent on their ground.
    """
    if found.target != "customers":
        return 0
    ours = sa.and_(_record.c.method == METHOD, _record.c.recorded_at == to_millis(found.at))
    ids = sa.select(_record.c.customer_id).where(ours)
    names = (*consent.CONSENT_COLUMNS, "id", "recorded_at")
    query = sa.select(*(_record.c[name] for name in names)).where(_record.c.customer_id.in_(ids))
    rows = [tuple(row) for row in connection.execute(query.order_by(_record.c.at, _record.c.id))]
    schema = {**consent.CONSENT_COLUMNS, "id": pl.Int64(), "recorded_at": pl.Int64()}
    records = pl.DataFrame(rows, schema=schema, orient="row")
    last = records.group_by(_KEY, maintain_order=True).agg(
        pl.col(name).last() for name in records.columns if name not in _KEY
    )
    until = pl.col("granted").slice(0, pl.len() - 1).last()
    earlier = records.group_by(_KEY, maintain_order=True).agg(until.alias("was"))
    mine = (pl.col("method") == METHOD) & (pl.col("recorded_at") == to_millis(found.at))
    before = pl.col("was").fill_null(value=False)
    taken = last.join(earlier, on=_KEY).filter(mine, pl.col("granted") != before)
    new = taken.with_columns(
        before.alias("granted"),
        pl.lit(to_millis(now)).alias("at"),
        pl.lit("import undone").alias("method"),
        # Nobody said no, so other customer ids with the address are left alone.
        pl.when(pl.col("was").is_null()).then(pl.lit("")).otherwise("address").alias("address"),
    )
    _refuse_requests(connection, found, now)
    return consent.write_records(connection, new.select(list(consent.CONSENT_COLUMNS)), by=by, now=now)


def _refuse_requests(connection: Connection, found: ImportRow, now: datetime) -> None:
    """Refuse the requests of double opt-in that the import made and that nobody has answered yet."""
    ours = sa.and_(_request.c.method == METHOD, _request.c.requested_at == to_millis(found.at))
    open_ = _request.c.state.in_(["pending", "asked"])
    refused = {"state": "refused", "settled_at": to_millis(now), "asked_at": None}
    connection.execute(sa.update(_request).where(ours, open_).values(refused))
