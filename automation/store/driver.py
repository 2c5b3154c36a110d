"""The SQLite driver: `pysqlite3` with a current SQLite, where it has a wheel; else Python's own.

SQLite before 3.51.3 could lose commits when its log was reset; `automation doctor` shows the version in use.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automation.errors import StoreError

try:
    from pysqlite3 import dbapi2 as sqlite
except ImportError:  # no wheel for this machine
    import sqlite3 as sqlite

__all__ = ["BEGIN", "BEGIN_WRITING", "BUSY_TIMEOUT_MS", "prepare_connection", "refuse_unusable", "sqlite"]

BUSY_TIMEOUT_MS = 15_000
BEGIN, BEGIN_WRITING = "BEGIN", "BEGIN IMMEDIATE"
"""What begins a consistent view, and a transaction that holds the write lock from its start."""
_PRAGMAS: Mapping[str, str | int] = {
    "busy_timeout": BUSY_TIMEOUT_MS,
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "wal_autocheckpoint": 0,  # `write_ahead_log` checkpoints, and the last one to close
    "journal_size_limit": 64_000_000,  # bytes of the log that are kept when it is used again from its start
}


def prepare_connection(raw: Any) -> None:
    """Set a new connection up for durability; whoever uses it begins its transactions."""
    raw.isolation_level = None
    cursor = raw.cursor()
    for pragma, value in _PRAGMAS.items():
        cursor.execute(f"PRAGMA {pragma} = {value}")
    cursor.close()


def refuse_unusable(path: Path) -> None:
    """Name the file or folder that this user may not write; SQLite only says that it can't open the file."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unusable = next((one for one in (path.parent, path) if one.exists() and not os.access(one, os.W_OK)), None)
    except OSError as error:
        raise StoreError(f"the store {path} can't be opened: {error.strerror}: {error.filename}") from None
    if unusable is not None:
        raise StoreError(f"the store {path} can't be opened: {unusable} is read-only for this process")
