"""One writer for many requests: groups share a commit, and one that fails is undone alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.store.engine import Store, open_store
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.web import group_commit as module
from automation.web.group_commit import GroupCommit, Overloaded

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store.db")
    yield opened
    opened.close()


def ids(store: Store) -> list[str]:
    with store.reading() as connection:
        return list(connection.execute(sa.text("SELECT event_id FROM inbox ORDER BY id")).scalars())


def add(name: str) -> module.Work[int]:
    return lambda connection: inbox.add_events(connection, [InboxEvent(name, "c1", "view", NOW)], now=NOW)


def until(held: threading.Event, holding: threading.Event) -> module.Work[None]:
    """Keeps the writer busy until it is let go."""

    def hold(_: Connection) -> None:
        held.set()
        holding.wait(60)

    return hold


def fail_after_writing(connection: Connection) -> int:
    add("undone")(connection)
    raise ValueError("no")


def test_what_waits_shares_a_commit_and_failures_stay_alone(store: Store) -> None:
    holding, held = threading.Event(), threading.Event()
    commits: list[object] = []
    sa.event.listen(store.engine, "commit", commits.append)

    writer = GroupCommit(store)
    first = writer.submit(until(held, holding))
    held.wait(60)
    jobs = [writer.submit(add(f"e{n}")) for n in range(5)]
    wrong = writer.submit(fail_after_writing)
    jobs += [writer.submit(add("e0")), writer.submit(add("e9"))]
    assert not any(job.done() for job in jobs)
    holding.set()
    assert first.result(60) is None
    assert [job.result(60) for job in jobs] == [1, 1, 1, 1, 1, 0, 1]
    with pytest.raises(ValueError, match="no"):
        wrong.result(60)
    writer.close()
    assert len(commits) == 2
    assert ids(store) == ["e0", "e1", "e2", "e3", "e4", "e9"]


def test_where_the_commit_fails_nobody_is_told_otherwise(store: Store) -> None:
    def no_commit(_: Connection) -> None:
        raise OSError("disk full")

    writer = GroupCommit(store)
    sa.event.listen(store.engine, "commit", no_commit)
    job = writer.submit(add("e1"))
    with pytest.raises(OSError, match="disk full"):
        job.result(60)
    sa.event.remove(store.engine, "commit", no_commit)
    assert writer.submit(add("e2")).result(60) == 1  # and it goes on
    writer.close()
    assert ids(store) == ["e2"]


def test_waiting_work_is_written_before_it_stops(store: Store) -> None:
    writer = GroupCommit(store)
    jobs = [writer.submit(add(f"e{n}")) for n in range(500)]
    writer.close()
    assert sum(job.result(0) for job in jobs) == len(ids(store)) == 500


def test_too_many_writes_are_refused_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    holding, held = threading.Event(), threading.Event()
    writer = GroupCommit(store)
    writer.submit(until(held, holding))
    held.wait(60)
    for n in range(3):
        writer.submit(add(f"e{n}"))
    with pytest.raises(Overloaded):
        asyncio.run(writer.commit(add("e3")))
    holding.set()
    writer.close()
    assert ids(store) == ["e0", "e1", "e2"]


def test_a_cancelled_job_writes_nothing(store: Store) -> None:
    holding, held = threading.Event(), threading.Event()
    writer = GroupCommit(store)
    writer.submit(until(held, holding))
    held.wait(60)
    assert writer.submit(add("e1")).cancel()
    holding.set()
    writer.close()
    assert ids(store) == []


def test_it_checkpoints_only_where_it_may(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHECKPOINT_EVERY", 2)
    log = Path(str(store.engine.url.database) + "-wal")
    for may in (False, True):
        writer = GroupCommit(store, may_checkpoint=lambda may=may: may)  # type: ignore[misc]
        for n in range(2):
            writer.submit(add(f"{may}{n}")).result(60)
        writer.close()
        assert (log.stat().st_size == 0) is may
