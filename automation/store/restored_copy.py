"""A store restored from a copy: nothing is sent from it until a person confirms it."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.errors import StoreError
from automation.store import pauses
from automation.store.driver import sqlite
from automation.store.engine import Store, table
from automation.store.tables import Fact, Flush

_fact, _flush = table(Fact), table(Flush)
STAMP = "backup_of"


def find_quarantine(connection: Connection, *, flushed: int | None, now: datetime) -> str | None:
    """Why the store is quarantined, after checking; None if it isn't.

    flushed: the number of the last flush in the warehouse, None if it has none.
    """
    stamp = connection.execute(sa.select(_fact.c.value).where(_fact.c.key == STAMP)).scalar()
    mine = read_last_flush(connection)
    reason = None
    if stamp is not None:
        reason = f"this store is the backup of {stamp}: what was sent since then is not in it"
    elif flushed is not None and flushed > mine:
        reason = f"the warehouse has flush {flushed}, this store knows of {mine}: it is an older one"
    if reason is not None:
        pauses.pause(connection, pauses.RESTORED, reason=reason, now=now)
    return reason


def read_last_flush(connection: Connection) -> int:
    return int(connection.execute(sa.select(sa.func.max(_flush.c.no))).scalar() or 0)


def accept_copy(connection: Connection, *, flushed: int | None, now: datetime) -> bool:
    """Confirm this store in a person's name; returns whether it was quarantined.

    Flush numbers continue above those in the warehouse, so that no number is used twice.
    """
    was = pauses.resume(connection, [pauses.RESTORED])
    connection.execute(sa.delete(_fact).where(_fact.c.key == STAMP))
    if flushed is not None and flushed > read_last_flush(connection):
        done = {"no": flushed, "started_at": to_millis(now), "finished_at": to_millis(now)}
        connection.execute(sa.insert(_flush).values(done))
    return was


def back_up(store: Store, target: Path, *, now: datetime) -> None:
    """Copy an embedded store while it is in use, and stamp the copy. Raises `StoreError`."""
    if store.engine.dialect.name != "sqlite":
        raise StoreError("this store is not a file; back it up with its database's own tools")
    if target.exists():
        raise StoreError(f"{target} is there already; name another file")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    source = str(store.engine.url.database)
    try:
        with (
            contextlib.closing(sqlite.connect(f"file:{source}?mode=ro", uri=True)) as live,
            contextlib.closing(sqlite.connect(part)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute(
                "INSERT INTO fact (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (STAMP, now.isoformat(timespec="seconds")),
            )
            copy.commit()
        part.replace(target)
    except sqlite.Error as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"the store can't be copied to {target}: {error}") from error
