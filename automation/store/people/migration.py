"""What was brought over from the sender used before, and by whom that was waived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.engine import table
from automation.store.tables import Migration

_migration = table(Migration)

What = Literal["suppressions", "consents", "contacts", "waived"]


@dataclass(frozen=True)
class Move:
    """One step of moving in: an imported file with its SHA-256 and what it brought, or a waiver with its reason."""

    what: str
    by: str
    at: datetime
    detail: str
    sha256: str
    rows: int


def record(
    connection: Connection, what: What, *, by: str, now: datetime, detail: str, sha256: str = "", rows: int = 0
) -> None:
    values = {"what": what, "by": by, "at": to_millis(now), "detail": detail, "sha256": sha256, "rows": rows}
    connection.execute(sa.insert(_migration).values(values))


def moves(connection: Connection) -> list[Move]:
    """Every step, the oldest first."""
    names = ("what", "by", "at", "detail", "sha256", "rows")
    query = sa.select(*(_migration.c[name] for name in names)).order_by(_migration.c.id)
    return [Move(**{**row._mapping, "at": from_millis(row.at)}) for row in connection.execute(query)]


def moved_in(connection: Connection) -> bool:
    """Whether suppressions were imported, or waived by name."""
    query = sa.select(_migration.c.id).where(_migration.c.what.in_(["suppressions", "waived"])).limit(1)
    return connection.execute(query).scalar() is not None
