"""A process that reads an old state of the store keeps its log from shrinking, and nobody waits for it."""

from __future__ import annotations

import ast
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.snapshots import kept_snapshot

import automation
from automation.clock import ManualClock, monotonic
from automation.store import driver, pauses
from automation.store.engine import Store
from automation.store.write_ahead_log import Checkpoints, Reader, checkpoint, find_readers, log_size

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the locks of other processes")


def write(store: Store, count: int = 1) -> None:
    for no in range(count):
        with store.transaction() as connection:
            pauses.pause(connection, f"campaign{no}", reason="a test", now=NOW)
        with store.transaction() as connection:
            pauses.resume(connection, [f"campaign{no}"])


@pytest.fixture
def path(store: Store) -> Path:
    return Path(str(store.engine.url.database))


def test_the_log_is_moved_into_the_store_and_cut(store: Store) -> None:
    write(store, 5)
    assert log_size(store) > 0
    found = checkpoint(store)
    assert found is not None
    assert found.pages == found.moved > 0
    assert found.cut
    assert log_size(store) == 0
    assert checkpoint(store) == (0, 0, True)


def test_a_checkpoint_waits_for_no_reader_and_no_writer(store: Store, path: Path) -> None:
    with kept_snapshot(path):
        write(store)
        began = monotonic()
        found = checkpoint(store)
        assert found is not None
        assert found.moved < found.pages
    write(store)
    with store.transaction():
        found = checkpoint(store)
        assert found is not None
        assert found.moved == found.pages
        assert not found.cut
    assert monotonic() - began < driver.BUSY_TIMEOUT_MS / 1000
    with store.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == driver.BUSY_TIMEOUT_MS


@linux
def test_the_readers_are_told_by_their_locks(store: Store, path: Path) -> None:
    write(store)
    assert find_readers(store) == frozenset()
    with kept_snapshot(path) as pid:
        assert {found for found, _ in find_readers(store)} == {pid}
        with store.reading() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM run")
            assert {found for found, _ in find_readers(store)} == {pid, os.getpid()}
    assert find_readers(store) == frozenset()


def test_a_machine_that_lists_no_locks_names_nobody(store: Store, path: Path) -> None:
    write(store)
    with kept_snapshot(path):
        assert find_readers(store, path.parent / "locks") == frozenset()


@linux
def test_who_keeps_the_log_is_known_and_said_once(store: Store, path: Path) -> None:
    clock = ManualClock(NOW)
    checkpoints = Checkpoints(store, clock)
    with capture_logs() as logged:
        with kept_snapshot(path) as pid:
            for _ in range(3):
                write(store)
                checkpoints.look()
                clock.advance(timedelta(seconds=5))
        assert checkpoints.kept is not None
        assert checkpoints.kept.since == NOW
        ((found, name),) = checkpoints.kept.readers
        assert found == pid
        assert name.startswith("python")
        assert checkpoints.kept.describe() == f"process {pid} ({name}) reads an old state of the store"
        checkpoints.look()
    assert checkpoints.kept is None
    assert log_size(store) == 0
    assert [line["event"] for line in logged] == [
        "the write-ahead log grows until a reader has finished; sending goes on",
        "the write-ahead log is free again",
    ]
    assert logged[0]["because"] == f"process {pid} ({name}) reads an old state of the store"


def test_readers_that_come_and_go_keep_nothing(store: Store, path: Path) -> None:
    checkpoints = Checkpoints(store, ManualClock(NOW))
    for _ in range(3):
        with kept_snapshot(path):
            write(store)
            checkpoints.look()
            assert checkpoints.kept is None


def test_a_checkpoint_runs_beside_its_caller_once_it_is_due(store: Store) -> None:
    write(store)
    Checkpoints(store, ManualClock(NOW)).start_if_due()
    assert log_size(store) > 0
    checkpoints = Checkpoints(store, ManualClock(NOW), every=0.0)
    checkpoints.start_if_due()
    checkpoints.finish()
    assert log_size(store) == 0


def test_a_process_without_a_name_is_named_by_its_id() -> None:
    assert str(Reader(77, "")) == "process 77"


def test_no_function_gives_away_control_while_it_reads() -> None:
    """Whoever takes the values of a generator may be slow, and what is awaited may be a network."""
    assert [*_given_away(ast.parse("def f():\n  with a.reading() as b:\n    yield 1"))] == [3]
    assert [*_given_away(ast.parse("async def f():\n  with reading():\n    await g()"))] == [3]
    assert [*_given_away(ast.parse("def f():\n  with a.reading() as b:\n    c = 1\n  yield c"))] == []
    folder = Path(automation.__file__).parent
    found = [f"{file}:{line}" for file in folder.rglob("*.py") for line in _given_away(ast.parse(file.read_text()))]
    assert found == []


def _given_away(tree: ast.Module) -> list[int]:
    return [
        inner.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.With) and any(_is_reading(item.context_expr) for item in node.items)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Yield | ast.YieldFrom | ast.Await)
    ]


def _is_reading(call: ast.expr) -> bool:
    name = call.func if isinstance(call, ast.Call) else call
    return getattr(name, "attr", getattr(name, "id", "")) == "reading"
