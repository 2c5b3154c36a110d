"""How large the store's write-ahead log is, and who keeps it from shrinking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from automation.store.statements import StatementStore


class Reader(NamedTuple):
    """A process that reads the store; `name` is empty where it can't be told."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.name})" if self.name else f"process {self.pid}"


@dataclass(frozen=True)
class KeptLog:
    """A log that readers keep from shrinking. readers: those that can be told, on Linux."""

    since: datetime
    readers: tuple[Reader, ...]

    def describe(self) -> str:
        return f"{' and '.join(str(one) for one in self.readers) or 'a process'} reads an old state of the store"

    @classmethod
    def of_record(cls, found: dict[str, Any]) -> KeptLog:
        return cls(datetime.fromisoformat(found["since"]), tuple(Reader(*one) for one in found["readers"]))


def log_size(store: StatementStore) -> int:
    """Bytes; 0 where the store is not a file."""
    if store.path is None:
        return 0
    try:
        return Path(f"{store.path}-wal").stat().st_size
    except FileNotFoundError:
        return 0
