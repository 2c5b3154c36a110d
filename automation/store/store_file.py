"""The store's file, opened by the driver alone: for commands that must start at once, such as `stop`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from automation.errors import StoreError
from automation.revocations import FILE, RevocationLog
from automation.store.driver import BEGIN, BEGIN_WRITING, prepare_connection, refuse_unusable, sqlite
from automation.store.statements import Result, begin_revoking, read_value, revoke


class _Dialect(NamedTuple):
    paramstyle: str = "qmark"


@dataclass(frozen=True)
class DriverConnection:
    """The driver's connection with what `statements` asks of one."""

    raw: Any
    info: dict[Any, Any] = field(default_factory=dict)
    dialect: _Dialect = field(default_factory=_Dialect)

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Result:
        """Execute a statement: with a tuple once, with a list for each of its tuples."""
        do = self.raw.executemany if isinstance(parameters, list) else self.raw.execute
        found: Result = do(statement, parameters or ())
        return found


class StoreFile:
    """The store as `engine.Store` has it, for statements only. Writers use `transaction`, readers `reading`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw = sqlite.connect(path)
        prepare_connection(self._raw)

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.path.parent

    @contextmanager
    def transaction(self) -> Iterator[DriverConnection]:
        """One durable transaction that holds the write lock from its start.

        What it takes back (`statements.note_revoked`) is in the revocation log when this returns.
        """
        with self._begun(BEGIN_WRITING) as connection:
            revoked = begin_revoking(connection)
            yield connection
        revoke(RevocationLog(self.folder / FILE), revoked)

    @contextmanager
    def reading(self) -> Iterator[DriverConnection]:
        """One consistent view; no writer waits for it."""
        with self._begun(BEGIN) as connection:
            yield connection

    def close(self) -> None:
        self._raw.close()

    @contextmanager
    def _begun(self, begin: str) -> Iterator[DriverConnection]:
        self._raw.execute(begin)
        try:
            yield DriverConnection(self._raw)
        except BaseException:
            if self._raw.in_transaction:
                self._raw.rollback()
            raise
        self._raw.execute("COMMIT")


def open_store_file(path: Path) -> StoreFile:
    """Open the store at a path; its schema stays as it is, and a store without one gets it. Raises `StoreError`."""
    refuse_unusable(path)
    try:
        store = StoreFile(path)
        with store.reading() as connection:
            has_schema = read_value(connection, _HAS_SCHEMA) is not None
    except sqlite.DatabaseError as error:
        raise StoreError(f"the store {path} can't be opened: {error}") from error
    if not has_schema:
        from automation.store.engine import open_store

        open_store(path, migrate="if new").close()
    return store


_HAS_SCHEMA = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
