"""The store's write-ahead log: moved into the database file beside everything else, and who keeps it from shrinking.

No checkpoint waits for anybody, since it would hold the write lock meanwhile. A process that reads an old state of the
store keeps the log from being used again; it grows until that process has finished, and everything else goes on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import NamedTuple

import structlog

from automation.clock import Clock, monotonic
from automation.store.driver import BUSY_TIMEOUT_MS
from automation.store.engine import Store
from automation.store.log_size import KeptLog, Reader, log_size

__all__ = ["Checkpoint", "Checkpoints", "KeptLog", "Reader", "checkpoint", "find_readers", "log_size"]

log = structlog.get_logger(__name__)

EVERY = 20.0
"""Seconds between two checkpoints."""
_LOOK_AGAIN = 5.0
"""Seconds until the next look at a log that a reader keeps."""
_ATTEMPTS = 10
_BETWEEN = 0.01
"""Seconds between two attempts to cut the log, which fail while somebody writes or reads."""
_READERS = range(123, 128)
"""The bytes of `store.db-shm` that a reader locks, by SQLite's format of the file."""


class Checkpoint(NamedTuple):
    """pages: in the log. moved: those of them that are in the database file. cut: whether the log is empty now."""

    pages: int
    moved: int
    cut: bool


def checkpoint(store: Store) -> Checkpoint | None:
    """Move what can be moved at once, and cut the log if nobody is in the way. None: another process is at it."""
    if store.engine.dialect.name != "sqlite":
        return None
    with _impatient(store) as execute:
        busy, pages, moved = execute("PRAGMA wal_checkpoint(PASSIVE)")
        if busy or pages < 0:
            return None
        cut = moved == pages and (log_size(store) == 0 or _cut(execute))
    return Checkpoint(pages, moved, cut)


def _cut(execute: Callable[[str], tuple[int, int, int]]) -> bool:
    """Few pages are left to move, so that the write lock is held for a moment only."""
    for _ in range(_ATTEMPTS):
        if execute("PRAGMA wal_checkpoint(TRUNCATE)")[0] == 0:
            return True
        sleep(_BETWEEN)
    return False


@contextmanager
def _impatient(store: Store) -> Iterator[Callable[[str], tuple[int, int, int]]]:
    """Statements that fail instead of waiting for a lock."""
    with closing(store.engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield lambda statement: cursor.execute(statement).fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")


def find_readers(store: Store, locks: Path = Path("/proc/locks")) -> frozenset[tuple[int, int]]:
    """Who reads the store right now: the id of the process, and which of SQLite's locks it holds; empty elsewhere
    than on Linux.

    The file that the locks are on must not be opened for it: its closing would release this process's own locks.
    """
    try:
        file = Path(f"{store.engine.url.database}-shm").stat()
        lines = locks.read_text().splitlines()
    except OSError:
        return frozenset()
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    found = set()
    for line in lines:
        words = line.split()
        if words[1:2] == ["POSIX"] and words[3:4] == ["READ"] and words[5:6] == [place] and words[7].isdecimal():
            found |= {(int(words[4]), byte) for byte in _READERS if int(words[6]) <= byte <= int(words[7])}
    return frozenset(found)


def _name(suspects: frozenset[tuple[int, int]]) -> tuple[Reader, ...]:
    """The processes; without this one, which reads all the time, where it is not the only one."""
    found = {pid for pid, _ in suspects}
    return tuple(_describe(pid) for pid in sorted(found - {os.getpid()} or found))


def _describe(pid: int) -> Reader:
    try:
        return Reader(pid, Path(f"/proc/{pid}/comm").read_text(errors="replace").strip())
    except OSError:
        return Reader(pid, "")


class Checkpoints:
    """Checkpoints from time to time, in a thread of its own, and knows since when which process keeps the log."""

    def __init__(self, store: Store, clock: Clock, *, every: float | None = None) -> None:
        self.kept: KeptLog | None = None
        self._store = store
        self._clock = clock
        self._every = EVERY if every is None else every
        self._next = monotonic() + self._every
        self._thread: threading.Thread | None = None
        self._stuck_at: int | None = None
        self._since: datetime | None = None
        self._suspects: frozenset[tuple[int, int]] = frozenset()

    def start_if_due(self) -> None:
        """Returns at once."""
        if monotonic() < self._next or (self._thread is not None and self._thread.is_alive()):
            return
        self._next = monotonic() + self._every
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the checkpoint that runs, and make another one."""
        if self._thread is not None:
            self._thread.join()
        self._run()

    def _run(self) -> None:
        try:
            self.look()
        except Exception:
            log.exception("the write-ahead log can't be checkpointed; retrying later")

    def look(self) -> None:
        """Checkpoint now, and notice a log that is stuck at the page of the look before."""
        found = checkpoint(self._store)
        if found is None:
            return
        if found.moved >= found.pages:
            self._note_free()
            return
        self._next = min(self._next, monotonic() + _LOOK_AGAIN)
        readers = find_readers(self._store)
        if found.moved != self._stuck_at or self._since is None:
            self._note_free()
            self._stuck_at, self._since, self._suspects = found.moved, self._clock.now(), readers
            return
        self._suspects &= readers
        kept = KeptLog(self._since, _name(self._suspects))
        if self.kept is None:
            log.warning(
                "the write-ahead log grows until a reader has finished; sending goes on",
                because=kept.describe(),
                megabytes=round(log_size(self._store) / 1e6, 1),
            )
        self.kept = kept

    def _note_free(self) -> None:
        if self.kept is not None:
            log.info("the write-ahead log is free again")
        self.kept = self._stuck_at = self._since = None
