"""Statements as plain SQL, for SQLAlchemy's connection and for the driver's own.

What a command needs that must start at once is said so: SQLAlchemy alone takes ten times as long to load as Python.
Every `?` in a statement is a value; no other question mark may stand in it.
"""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from automation.errors import StoreError
from automation.revocations import RevocationLog

_REVOKED = "revoked"


class Result(Protocol):
    """What a statement gave: rows, or how many rows it changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> Sequence[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Dialect(Protocol):
    """`paramstyle` is how the driver marks a value: `qmark` or `format`."""

    @property
    def paramstyle(self) -> str: ...


class Connection(Protocol):
    """A connection within a transaction. `info` is a place for notes about that transaction."""

    @property
    def info(self) -> dict[Any, Any]: ...

    @property
    def dialect(self) -> Dialect: ...

    def exec_driver_sql(self, statement: str, parameters: Any = None, /) -> Result: ...


class StatementStore(Protocol):
    """The store, however it was opened."""

    @property
    def folder(self) -> Path | None: ...

    @property
    def path(self) -> Path | None: ...

    def transaction(self) -> AbstractContextManager[Connection]: ...

    def reading(self) -> AbstractContextManager[Connection]: ...


def execute(connection: Connection, statement: str, *values: object) -> Result:
    """Execute a statement once."""
    return connection.exec_driver_sql(_marked(connection, statement), values)


def execute_rows(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Execute a statement for every row by the driver's own executemany.

    Where the statement is a short one this takes half of what SQLAlchemy's named parameters take.
    """
    if rows:
        connection.exec_driver_sql(_marked(connection, statement), rows)


def read_value(connection: Connection, statement: str, *values: object) -> Any:
    """The first column of the first row; None without a row."""
    row = execute(connection, statement, *values).fetchone()
    return None if row is None else row[0]


def read_column(connection: Connection, statement: str, *values: object) -> list[Any]:
    """The first column of every row."""
    return [row[0] for row in execute(connection, statement, *values).fetchall()]


def places(values: Sequence[object]) -> str:
    """The marks of a list: `x IN ({places(values)})`, which holds for nothing where the list is empty."""
    return ", ".join("?" * len(values)) or "NULL"  # PostgreSQL takes no empty list


def listed(connection: Connection) -> str:
    """`x IN ({listed(connection)})`: the values of one JSON list of texts, however long it is."""
    if connection.dialect.paramstyle == "qmark":
        return "SELECT value FROM json_each(?)"
    return "SELECT jsonb_array_elements_text(CAST(? AS jsonb))"


def insert_statement(table: str, columns: Iterable[str]) -> str:
    """The statement that inserts a row with these columns; their values follow in the same order."""
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places(names)})"


def note_revoked(connection: Connection, keys: Iterable[str]) -> None:
    """Take back messages that were granted but not handed over, once the transaction of this connection is committed.

    keys: of `automation.revocations`.
    """
    connection.info.setdefault(_REVOKED, set()).update(keys)


def begin_revoking(connection: Connection) -> set[str]:
    """What the transaction that begins now will take back: what `note_revoked` adds."""
    revoked: set[str] = set()
    connection.info[_REVOKED] = revoked
    return revoked


def revoke(log: RevocationLog, keys: set[str]) -> None:
    """Write what a committed transaction takes back to the revocation log. Raises `StoreError`."""
    try:
        log.append(keys)
    except OSError as error:
        where = f"{log.path}: {error}"
        raise StoreError(f"this is stored, but messages that are on their way may still leave: {where}") from error


def is_locked(error: Exception) -> bool:
    """Whether a statement failed because another process held the write lock for too long."""
    return "database is locked" in str(getattr(error, "orig", error))


def _marked(connection: Connection, statement: str) -> str:
    return statement if connection.dialect.paramstyle == "qmark" else statement.replace("?", "%s")
