"""Opens the store: SQLite in the project's data folder by default, set up for durability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlmodel import SQLModel

from automation.errors import StoreError
from automation.revocations import FILE as REVOCATIONS
from automation.revocations import RevocationLog
from automation.store.driver import BEGIN, BEGIN_WRITING, prepare_connection, refuse_unusable, sqlite
from automation.store.signing_keys import FILE, KeyFile, SigningKeys
from automation.store.statements import begin_revoking, execute_rows, revoke


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
        return RevocationLog(None if self.folder is None else self.folder / REVOCATIONS)

    @property
    def folder(self) -> Path | None:
        """The data folder that the store's file is in; None where the store is not a file."""
        return None if self.path is None else self.path.parent

    @property
    def path(self) -> Path | None:
        """The store's file; None where the store is not a file."""
        database = self.engine.url.database
        is_file = self.engine.dialect.name == "sqlite" and database not in (None, "", ":memory:")
        return Path(str(database)) if is_file else None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One durable transaction that holds the write lock from its start (BEGIN IMMEDIATE).

        What it takes back (`note_revoked`) is in the revocation log when this returns.
        """
        with self.engine.connect().execution_options(immediate=True) as connection:
            revoked = begin_revoking(connection)
            with connection.begin():
                yield connection
            revoke(self.revocations, revoked)

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
        refuse_unusable(url)
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


def insert_rows(
    connection: Connection, model: type[SQLModel], columns: Sequence[str], rows: list[tuple[Any, ...]]
) -> None:
    """Insert many rows by the driver's own executemany; `rows` hold the values of `columns`, in their order."""
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in columns)
    places = ", ".join("?" * len(columns))
    execute_rows(connection, f"INSERT INTO {quote(table(model).name)} ({names}) VALUES ({places})", rows)  # noqa: S608


def table(model: type[SQLModel]) -> sa.Table:
    found: sa.Table = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it to table models
    return found


def _prepare_sqlite(engine: Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _settings(raw: Any, _record: Any) -> None:
        prepare_connection(raw)

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql(BEGIN_WRITING if immediate else BEGIN)
