"""A repeated query asks the store again after every commit, and only then."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection

from automation.store import pauses, repeated_query
from automation.store.engine import Store, open_store
from automation.store.repeated_query import RepeatedQuery
from automation.store.write_ahead_log import checkpoint

STOP = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as connection:
    connection.execute("INSERT INTO pause (scope, at, \\"by\\", reason) VALUES ('winback', 0, 'anna', '')")
"""


class Asked:
    """The stopped scopes, and how often the store was asked for them."""

    def __init__(self) -> None:
        self.times = 0
        self.fails = False

    def __call__(self, connection: Connection) -> frozenset[str]:
        self.times += 1
        if self.fails:
            raise OSError("the disk is gone")
        return pauses.paused_scopes(connection).scopes


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def repeated(store: Store, asked: Asked) -> Iterator[RepeatedQuery[frozenset[str]]]:
    found = RepeatedQuery(store, asked)
    yield found
    found.close()


def stop(store: Store, scope: str) -> None:
    with store.transaction() as connection:
        connection.exec_driver_sql(pauses._INSERT, (scope, 0, "anna", ""))


def test_nothing_is_asked_while_nothing_is_committed(repeated: RepeatedQuery[frozenset[str]], asked: Asked) -> None:
    assert [repeated.result() for _ in range(100)] == [frozenset()] * 100
    assert asked.times == 1


def test_a_commit_of_this_process_is_seen(repeated: RepeatedQuery[frozenset[str]], asked: Asked, store: Store) -> None:
    repeated.result()
    for number in range(5):
        stop(store, f"campaign{number}")
        assert len(repeated.result()) == len(repeated.result()) == number + 1
    assert asked.times == 6


def test_a_commit_of_another_process_is_seen(repeated: RepeatedQuery[frozenset[str]], store: Store) -> None:
    assert repeated.result() == frozenset()
    subprocess.run([sys.executable, "-c", STOP, str(store.engine.url.database)], check=True)
    assert repeated.result() == {"winback"}


def test_a_commit_while_it_asks_is_seen_the_next_time(store: Store) -> None:
    def query(connection: Connection) -> frozenset[str]:
        found = pauses.paused_scopes(connection).scopes
        if not found:
            stop(store, "winback")
        return found

    repeated = RepeatedQuery(store, query)
    assert [repeated.result(), repeated.result()] == [frozenset(), {"winback"}]
    repeated.close()


def test_after_a_failure_it_asks_again(repeated: RepeatedQuery[frozenset[str]], asked: Asked, store: Store) -> None:
    repeated.result()
    stop(store, "winback")
    asked.fails = True
    with pytest.raises(OSError, match="the disk is gone"):
        repeated.result()
    asked.fails = False
    assert repeated.result() == {"winback"}


def test_what_depends_on_the_time_is_asked_again_in_any_case(
    repeated: RepeatedQuery[frozenset[str]], asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(repeated_query, "monotonic", lambda: now[0])
    repeated.result()
    now[0] += 9.9
    repeated.result()
    assert asked.times == 1
    now[0] += 0.2
    repeated.result()
    assert asked.times == 2
    repeated.forget()
    repeated.result()
    assert asked.times == 3


def test_it_keeps_nobody_from_cutting_the_log(repeated: RepeatedQuery[frozenset[str]], store: Store) -> None:
    repeated.result()
    stop(store, "winback")
    repeated.result()
    repeated.result()
    found = checkpoint(store)
    assert found is not None
    assert found.cut


def test_a_store_in_memory_is_asked_every_time(asked: Asked) -> None:
    store = open_store("sqlite://")
    repeated = RepeatedQuery(store, asked)
    assert [repeated.result() for _ in range(3)] == [frozenset()] * 3
    assert asked.times == 3
    store.close()
