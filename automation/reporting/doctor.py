"""Whether the machine and the project are fit for work: each check in one line, with what to do about it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from automation.store import pauses
from automation.store.driver import sqlite
from automation.workspace.workspace import Workspace

MENDED_SQLITE = (3, 51, 3)
"""Before it, SQLite can lose commits when two connections checkpoint and reset the write-ahead log at once."""
_LITTLE_DISK = 1_000_000_000
_MANY_WAL = 256_000_000

State = Literal["good", "odd", "bad"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    told: str


def checks(workspace: Workspace) -> list[Check]:
    """Everything that is looked at, in a fixed order."""
    return [*_sqlite(workspace), *_store(workspace), _disk(workspace.project.data_dir), *_pauses(workspace)]


def _sqlite(workspace: Workspace) -> Iterator[Check]:
    if workspace.store.engine.dialect.name != "sqlite":
        return
    version = sqlite.sqlite_version_info
    if version >= MENDED_SQLITE:
        yield Check("SQLite", "good", f"{sqlite.sqlite_version}")
    else:
        told = (
            f"{sqlite.sqlite_version} has a bug in resetting its log that can lose commits (mended in 3.51.3). "
            "Only the daemon checkpoints, which avoids it; don't run other tools that write to store.db"
        )
        yield Check("SQLite", "odd", told)


def _store(workspace: Workspace) -> Iterator[Check]:
    with workspace.store.reading() as connection:
        if connection.dialect.name == "sqlite":
            found = connection.execute(sa.text("PRAGMA quick_check(1)")).scalar()
            yield Check("store", "good" if found == "ok" else "bad", "whole" if found == "ok" else str(found))
            log = Path(f"{workspace.store.engine.url.database}-wal")
            size = log.stat().st_size if log.exists() else 0
            yield Check("write-ahead log", "good" if size < _MANY_WAL else "odd", f"{size / 1e6:,.0f} MB")
    folder = workspace.project.data_dir
    writable = os.access(folder, os.W_OK)
    yield Check("data folder", "good" if writable else "bad", f"{folder} {'can' if writable else 'can not'} be written")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    return Check("disk", "good" if free > _LITTLE_DISK else "bad", f"{free / 1e9:,.1f} GB free")


def _pauses(workspace: Workspace) -> Iterator[Check]:
    with workspace.store.reading() as connection:
        found = pauses.current_pauses(connection)
    for pause in found:
        yield Check("sending", "odd", str(pause))
    if not found:
        yield Check("sending", "good", "nothing is stopped or paused")
