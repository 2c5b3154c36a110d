"""The store's durability settings, its schema, and its refusals."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

from automation.errors import StoreError
from automation.store.driver import sqlite
from automation.store.engine import Store, insert_rows, open_store, table
from automation.store.ledger import grants, settling
from automation.store.migrations import NEWEST, alembic_config
from automation.store.tables import Batch, Fact


def test_sqlite_is_set_to_lose_nothing(store: Store) -> None:
    with store.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 15_000}


def test_the_migrations_make_exactly_the_tables(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_newest_version_is_the_one_that_alembic_ends_with() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == NEWEST


def test_a_store_of_the_newest_version_is_opened_without_alembic(tmp_path: Path) -> None:
    open_store(tmp_path / "store.db").close()
    code = "import sys; from pathlib import Path; from automation.store.engine import open_store; \
open_store(Path(sys.argv[1])).close(); print('alembic' in sys.modules)"
    command = [sys.executable, "-c", code, str(tmp_path / "store.db")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


POSTGRESQL: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


def test_every_number_that_grows_has_64_bits() -> None:
    """PostgreSQL refuses the 2,147,483,648th decision of an INTEGER; only what can't grow that far may be one."""
    small = {"attempt", "visit", "provider", "priority"}
    narrow = {
        f"{table_.name}.{column.name}"
        for table_ in SQLModel.metadata.tables.values()
        for column in table_.columns
        if column.name not in small and " ".join(str(column.type.compile(POSTGRESQL)).split()) == "INTEGER"
    }
    assert narrow == set()


def test_what_changes_with_every_attempt_is_in_a_narrow_table(store: Store) -> None:
    """Beside the message: rows of the wide table, with their context, are written once."""
    queries = [settling._SETTLE, settling._QUEUE_AGAIN, settling._RETURN, grants._GRANT]
    assert {re.search(r"UPDATE (\w+)", query)[1] for query in queries} == {"message_status"}  # type: ignore[index]
    with store.reading() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN " + settling._SETTLE, ("a",) * settling._SETTLE.count("?")
        ).all()
    assert [row.detail for row in plan] == ["SEARCH message_status USING PRIMARY KEY (message_id=?)"]


def test_opening_twice_keeps_the_secret(tmp_path: Path) -> None:
    first, second = open_store(tmp_path / "store.db"), open_store(tmp_path / "store.db")
    assert first.secret == second.secret
    assert len(first.secret) == 32
    first.close()
    second.close()


def test_a_store_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db")
    version = sa.table("alembic_version", sa.column("version_num"))
    with store.transaction() as connection:
        connection.execute(sa.update(version).values(version_num="9999"))
    store.close()
    with pytest.raises(StoreError, match=r"written by a newer release \(schema 9999\); upgrade this installation"):
        open_store(tmp_path / "store.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("something else entirely, long enough to be read as a header" * 20)
    with pytest.raises(StoreError, match="can't be opened: file is not a database"):
        open_store(tmp_path / "store.db")


def test_a_transaction_holds_the_write_lock_from_its_start(store: Store) -> None:
    with contextlib.closing(sqlite.connect(str(store.engine.url.database), timeout=0, isolation_level=None)) as other:
        with store.transaction() as connection:
            connection.execute(sa.select(table(Fact))).all()
            with pytest.raises(sqlite.OperationalError, match="database is locked"):
                other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    fact = table(Fact)

    def fail_halfway() -> None:
        with store.transaction() as connection:
            connection.execute(sa.insert(fact).values(key="a", value="b"))
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail_halfway()
    with store.reading() as connection:
        assert connection.execute(sa.select(fact.c.key).where(fact.c.key == "a")).scalar() is None


def test_rows_are_inserted_by_the_names_of_their_columns(store: Store) -> None:
    columns = ("content", "state", "n", "members", "no", "run_id", "epoch")
    with store.transaction() as connection:
        insert_rows(
            connection, Batch, columns, [("{}", "frozen", 7, b"x", 3, 1, 0), ("{}", "frozen", 8, b"y", 4, 1, 0)]
        )
    batch = table(Batch)
    with store.reading() as connection:
        rows = connection.execute(sa.select(batch.c.run_id, batch.c.no, batch.c.n, batch.c.members)).all()
    assert [tuple(row) for row in rows] == [(1, 3, 7, b"x"), (1, 4, 8, b"y")]


def test_without_a_newer_sqlite_pythons_own_does(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pysqlite3'] = None\n"
        "from pathlib import Path\n"
        "from automation.store.engine import open_store\n"
        f"store = open_store(Path({str(tmp_path / 'store.db')!r}))\n"
        "print(store.engine.dialect.dbapi.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "sqlite3"
