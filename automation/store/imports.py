"""The imports by hand: each has a number, by which a person can undo it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.errors import AutomationError
from automation.store.engine import table
from automation.store.tables import Import
from automation.types.schema import TableName

_import = table(Import)


@dataclass(frozen=True)
class ImportRow:
    """One import: what it changed, and between which versions of the table."""

    id: int
    target: TableName
    files: Sequence[str]
    by: str
    at: datetime
    rows: int
    version_before: int
    version_after: int
    undone_at: datetime | None
    undone_by: str


def record(
    connection: Connection,
    target: TableName,
    files: Sequence[str],
    *,
    rows: int,
    versions: tuple[int, int],
    by: str,
    now: datetime,
) -> int:
    """Keep an import; returns its number. versions: of the table before and after it."""
    values = {
        "target": target,
        "files": json.dumps(list(files)),
        "by": by,
        "at": to_millis(now),
        "rows": rows,
        "version_before": versions[0],
        "version_after": versions[1],
    }
    made = connection.execute(sa.insert(_import).values(values)).inserted_primary_key
    assert made is not None
    return int(made[0])


def get(connection: Connection, number: int) -> ImportRow:
    """Raises `AutomationError` for a number that no import has."""
    row = connection.execute(sa.select(_import).where(_import.c.id == number)).first()
    if row is None:
        last = connection.execute(sa.select(sa.func.max(_import.c.id))).scalar()
        known = "nothing was imported yet" if last is None else f"the last one is {last}"
        raise AutomationError(f"there is no import {number}; {known}")
    return _import_row(row)


def latest(connection: Connection, *, limit: int) -> list[ImportRow]:
    """The last imports, the newest first."""
    rows = connection.execute(sa.select(_import).order_by(_import.c.id.desc()).limit(limit))
    return [_import_row(row) for row in rows]


def _import_row(row: sa.Row[Any]) -> ImportRow:
    return ImportRow(
        id=row.id,
        target=row.target,
        files=json.loads(row.files),
        by=row.by,
        at=from_millis(row.at),
        rows=row.rows,
        version_before=row.version_before,
        version_after=row.version_after,
        undone_at=None if row.undone_at is None else from_millis(row.undone_at),
        undone_by=row.undone_by,
    )


def mark_undone(connection: Connection, number: int, *, by: str, now: datetime) -> None:
    changed = {"undone_at": to_millis(now), "undone_by": by}
    connection.execute(sa.update(_import).where(_import.c.id == number).values(changed))
