"""What was imported from the previous tool, or who confirmed that there is nothing to import."""

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

What = Literal["suppressions", "consents", "sends", "nothing"]


@dataclass(frozen=True)
class MigrationStep:
    """An imported file with its SHA-256 and number of used rows, or the confirmation that there is none (`nothing`)."""

    what: str
    by: str
    at: datetime
    detail: str
    sha256: str
    rows: int


def record(
    connection: Connection, what: What, *, by: str, now: datetime, detail: str, sha256: str = "", rows: int = 0
) -> None:
    """Keep a step: who did it, when, and from which file or for which reason."""
    values = {"what": what, "by": by, "at": to_millis(now), "detail": detail, "sha256": sha256, "rows": rows}
    connection.execute(sa.insert(_migration).values(values))


def steps(connection: Connection) -> list[MigrationStep]:
    """Every step, the oldest first."""
    names = ("what", "by", "at", "detail", "sha256", "rows")
    query = sa.select(*(_migration.c[name] for name in names)).order_by(_migration.c.id)
    return [MigrationStep(**{**row._mapping, "at": from_millis(row.at)}) for row in connection.execute(query)]


def is_migrated(connection: Connection) -> bool:
    """Whether suppressions were imported, or somebody confirmed that there are none."""
    query = sa.select(_migration.c.id).where(_migration.c.what.in_(["suppressions", "nothing"])).limit(1)
    return connection.execute(query).scalar() is not None
