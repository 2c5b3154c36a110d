"""The store's generation: a number that rises with every grant of messages, kept in the store and beside its folder.

A store that is behind the number beside it has lost what was sent since: somebody put a copy back, or its disk lost
commits. The number beside it is written after the commit and is not synced, so it is never ahead of an intact store.
It counts for the store that wrote it: one that was made anew in the same place begins anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.store.engine import Store, table
from automation.store.signing_keys import read_fingerprint
from automation.store.tables import Fact

_fact = table(Fact)
_KEY = "generation"
_LINE = re.compile(r"([0-9a-f]+) (\d{20})\n")


def advance_generation(connection: Connection) -> int:
    """Raise the store's generation, in the transaction that grants messages; returns it."""
    return int(connection.execute(_ADVANCE, {"key": _KEY}).scalar_one())


def read_generation(connection: Connection) -> int:
    """The store's generation; 0 if nothing was ever granted."""
    return int(connection.execute(sa.select(_fact.c.value).where(_fact.c.key == _KEY)).scalar() or 0)


def raise_generation(connection: Connection, number: int) -> None:
    """Continue above that number."""
    connection.execute(sa.delete(_fact).where(_fact.c.key == _KEY))
    connection.execute(sa.insert(_fact).values(key=_KEY, value=str(number)))


class GenerationFile:
    """The number beside the data folder; `path` is None where the store is not a file. A folder that can't be written
    has none."""

    def __init__(self, path: Path | None, owner: str) -> None:
        self.path = path
        self._owner = owner
        self._file: int | None = None

    def read(self) -> int:
        """The number; 0 where there is none, none that can be read, or another store's."""
        try:
            found = _LINE.fullmatch(self.path.read_text()) if self.path is not None else None
        except (OSError, UnicodeDecodeError):
            return 0
        return int(found[2]) if found and found[1] == self._owner else 0

    def write(self, number: int) -> None:
        """Set the number. 2 µs after the first time."""
        try:
            if self._file is None and self.path is not None:
                self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            if self._file is not None:
                os.pwrite(self._file, f"{self._owner} {number:020}\n".encode(), 0)
        except OSError:
            self.close()

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def generation_file(store: Store) -> GenerationFile:
    """The file beside the store's folder: a copy of the folder does not have it."""
    folder = store.folder
    path = None if folder is None else folder.with_name(f".{folder.name}.generation")
    with store.reading() as connection:
        owner = read_fingerprint(connection)
    return GenerationFile(path if owner else None, owner or "")


def file_identity(store: Store) -> str | None:
    """Which file on which machine the store is; None where it is not a file."""
    folder = store.folder
    if folder is None:
        return None
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:
        machine = ""
    return f"{Path(str(store.engine.url.database)).stat().st_ino}|{machine}"


_ADVANCE = sa.text(
    "INSERT INTO fact (key, value) VALUES (:key, '1') ON CONFLICT (key) DO UPDATE "
    "SET value = CAST(CAST(fact.value AS BIGINT) + 1 AS VARCHAR) RETURNING value"
)
