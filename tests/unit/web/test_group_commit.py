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


def take(name: str) -> module.Work[int]:
    return lambda connection: inbox.add_events(connection, [InboxEvent(name, "c1", "view", NOW)], now=NOW)


def until(held: threading.Event, holding: threading.Event) -> module.Work[None]:
    """Keeps the writer busy until it is let go."""

    def hold(_: Connection) -> None:
        held.set()
        holding.wait(10)

    return hold


def fail_after_writing(connection: Connection) -> int:
    take("undone")(connection)
    raise ValueError("no")


def test_what_waits_shares_a_commit_and_failures_stay_alone(store: Store) -> None:
    holding, held = threading.Event(), threading.Event()
    commits: list[object] = []
    sa.event.listen(store.engine, "commit", commits.append)

    intake = GroupCommit(store)
    first = intake.submit(until(held, holding))
    held.wait(10)
    jobs = [intake.submit(take(f"e{n}")) for n in range(5)]
    wrong = intake.submit(fail_after_writing)
    jobs += [intake.submit(take("e0")), intake.submit(take("e9"))]
    assert not any(job.done() for job in jobs)
    holding.set()
    assert first.result(10) is None
    assert [job.result(10) for job in jobs] == [1, 1, 1, 1, 1, 0, 1]
    with pytest.raises(ValueError, match="no"):
        wrong.result(10)
    intake.close()
    assert len(commits) == 2
    assert ids(store) == ["e0", "e1", "e2", "e3", "e4", "e9"]


def test_where_the_commit_fails_nobody_is_told_otherwise(store: Store) -> None:
    def no_commit(_: Connection) -> None:
        raise OSError("disk full")

    intake = GroupCommit(store)
    sa.event.listen(store.engine, "commit", no_commit)
    job = intake.submit(take("e1"))
    with pytest.raises(OSError, match="disk full"):
        job.result(10)
    sa.event.remove(store.engine, "commit", no_commit)
    assert intake.submit(take("e2")).result(10) == 1  # and it goes on
    intake.close()
    assert ids(store) == ["e2"]


def test_what_waits_is_written_before_the_end(store: Store) -> None:
    intake = GroupCommit(store)
    jobs = [intake.submit(take(f"e{n}")) for n in range(500)]
    intake.close()
    assert sum(job.result(0) for job in jobs) == len(ids(store)) == 500


def test_too_much_is_refused_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    holding, held = threading.Event(), threading.Event()
    intake = GroupCommit(store)
    intake.submit(until(held, holding))
    held.wait(10)
    for n in range(3):
        intake.submit(take(f"e{n}"))
    with pytest.raises(Overloaded):
        asyncio.run(intake.commit(take("e3")))
    holding.set()
    intake.close()
    assert ids(store) == ["e0", "e1", "e2"]


def test_who_gives_up_before_their_turn_leaves_nothing(store: Store) -> None:
    holding, held = threading.Event(), threading.Event()
    intake = GroupCommit(store)
    intake.submit(until(held, holding))
    held.wait(10)
    assert intake.submit(take("e1")).cancel()
    holding.set()
    intake.close()
    assert ids(store) == []


def test_the_log_is_moved_only_where_it_may(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COMMITS_A_CHECKPOINT", 2)
    log = Path(str(store.engine.url.database) + "-wal")
    for may in (False, True):
        intake = GroupCommit(store, may_checkpoint=lambda may=may: may)  # type: ignore[misc]
        for n in range(2):
            intake.submit(take(f"{may}{n}")).result(10)
        intake.close()
        assert (log.stat().st_size == 0) is may
