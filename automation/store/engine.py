"""Opens the store: SQLite in the project's data folder by default, set up for durability."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlmodel import SQLModel

from automation.errors import StoreError
from automation.revocations import RevocationLog
from automation.store.driver import sqlite
from automation.store.signing_keys import FILE, KeyFile, SigningKeys

BUSY_TIMEOUT_MS = 15_000
_REVOKED = "revoked"


@dataclass(frozen=True)
class Store:
    """The store of decisions, messages and consent. Writers use `transaction`, readers `reading`."""

    engine: Engine
    url: str
    key_file: KeyFile

    @property
    def keys(self) -> SigningKeys:
        """The signing keys, as the file beside the store has them now. Raises `StoreError`."""
        return self.key_file.keys()

    @property
    def secret(self) -> bytes:
        """Signs links; changes when an admin rotates the keys."""
        return self.keys.signing

    @property
    def id_secret(self) -> bytes:
        """Draws message ids and coupon codes; never changes."""
        return self.keys.ids

    @property
    def revocations(self) -> RevocationLog:
        """What takes back messages that were granted."""
        return RevocationLog(None if self.folder is None else self.folder / "revocations.log")

    @property
    def folder(self) -> Path | None:
        """The data folder that the store's file is in; None where the store is not a file."""
        database = self.engine.url.database
        is_file = self.engine.dialect.name == "sqlite" and database not in (None, "", ":memory:")
        return Path(str(database)).parent if is_file else None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One durable transaction that holds the write lock from its start (BEGIN IMMEDIATE).

        What it takes back (`note_revoked`) is in the revocation log when this returns.
        """
        with self.engine.connect().execution_options(immediate=True) as connection:
            revoked: set[str] = set()
            connection.info[_REVOKED] = revoked
            with connection.begin():
                yield connection
            self._revoke(revoked)

    def _revoke(self, keys: set[str]) -> None:
        try:
            self.revocations.append(keys)
        except OSError as error:
            where = f"{self.revocations.path}: {error}"
            raise StoreError(f"this is stored, but messages that are on their way may still leave: {where}") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; no writer waits for it."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def open_store(url: str | Path, *, migrate: bool | Literal["if new"] = True) -> Store:
    """Open the store at a path or URL, bringing its schema up to date. Raises `StoreError`.

    migrate: "if new" leaves the schema of a store that has one.
    """
    from automation.store.migrations import upgrade

    text = f"sqlite:///{url}" if isinstance(url, Path) else url
    if isinstance(url, Path):
        _refuse_unusable(url)
    engine = _engine(text)
    try:
        if migrate:
            upgrade(engine, only_new=migrate == "if new")
        else:
            with engine.connect():
                pass
    except (OperationalError, DatabaseError) as error:
        engine.dispose()
        raise StoreError(f"the store {engine.url!r} can't be opened: {error.orig}") from error
    folder = Path(engine.url.database or "").parent if engine.dialect.name == "sqlite" else Path.cwd()
    store = Store(engine, text, KeyFile(folder / FILE, engine))
    if migrate is True:
        store.key_file.keys()  # made now, since later they may be needed within a transaction
    return store


def _engine(url: str) -> Engine:
    """SQLite with the driver of `store.driver`; any other database with SQLAlchemy's default."""
    if not url.startswith("sqlite"):
        return sa.create_engine(url, hide_parameters=True)  # addresses are no part of an error
    engine = sa.create_engine(url, hide_parameters=True, module=sqlite)
    _prepare_sqlite(engine)
    return engine


def _refuse_unusable(path: Path) -> None:
    """Name the file or folder that this user may not write; SQLite only says that it can't open the file."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unusable = next((one for one in (path.parent, path) if one.exists() and not os.access(one, os.W_OK)), None)
    except OSError as error:
        raise StoreError(f"the store {path} can't be opened: {error.strerror}: {error.filename}") from None
    if unusable is not None:
        raise StoreError(f"the store {path} can't be opened: {unusable} is read-only for this process")


def note_revoked(connection: Connection, keys: Iterable[str]) -> None:
    """Take back messages that were granted but not handed over, once the transaction of this connection is committed.

    keys: of `automation.revocations`.
    """
    connection.info.setdefault(_REVOKED, set()).update(keys)


def insert_rows(
    connection: Connection, model: type[SQLModel], columns: Sequence[str], rows: list[tuple[Any, ...]]
) -> None:
    """Insert many rows by the driver's own executemany; `rows` hold the values of `columns`, in their order."""
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in columns)
    places = ", ".join("?" * len(columns))
    execute_rows(connection, f"INSERT INTO {quote(table(model).name)} ({names}) VALUES ({places})", rows)  # noqa: S608


def execute_rows(connection: Connection, statement: str, rows: list[tuple[Any, ...]]) -> None:
    """Execute a statement for every row by the driver's own executemany; each `?` is a row's next value.

    No other question mark may stand in it. Where the statement is a short one this takes half of what SQLAlchemy's
    named parameters take.
    """
    if rows:
        mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
        connection.exec_driver_sql(statement.replace("?", mark), rows)


def table(model: type[SQLModel]) -> sa.Table:
    found: sa.Table = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it to table models
    return found


def _prepare_sqlite(engine: Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _settings(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # we send BEGIN ourselves
        cursor = raw.cursor()
        for pragma, value in _PRAGMAS.items():
            cursor.execute(f"PRAGMA {pragma} = {value}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


_PRAGMAS: Mapping[str, str | int] = {
    "busy_timeout": BUSY_TIMEOUT_MS,
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "wal_autocheckpoint": 0,  # `write_ahead_log` checkpoints, and the last one to close
    "journal_size_limit": 64_000_000,  # bytes of the log that are kept when it is used again from its start
}
