"""A daemon with nothing to do asks its store nothing, and sees at its next look what others have committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.toy_project import start, toy_project

from automation.clock import ManualClock
from automation.daemon.planning import Planning
from automation.daemon.sender import Sender
from automation.daemon.service import Service
from automation.runner.claim import claim
from automation.runner.launch import launch
from automation.schedule.due_times import Due
from automation.store import pauses
from automation.types.run import RunKind
from automation.web import server
from automation.web.server import WebServer
from automation.workspace.workspace import Workspace


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


@contextmanager
def statements(workspace: Workspace) -> Iterator[list[str]]:
    """What the store is asked meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    sa.event.listen(workspace.store.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(workspace.store.engine, "before_cursor_execute", note)


@contextmanager
def looks(workspace: Workspace) -> Iterator[list[Callable[[], object]]]:
    """What a daemon's parts do once a second while they are idle."""
    service = Service(workspace, threading.Event())
    service.scheduler._background.start(paused=True)
    yield [service._look, service.sender._deliver_if_due, service.planner._look]
    service.scheduler.stop()
    service._store_state.close()
    service.sender._next_due.close()
    service.planner._work_in_store.close()


def test_an_idle_daemon_asks_its_store_nothing(toy: Workspace) -> None:
    launch(toy, "toy", by="anna", audience=None)
    with looks(toy) as parts:
        for look in parts * 2:  # its start: recovery, the schedule
            look()
        with statements(toy) as seen:
            for look in parts * 10:
                look()
    assert seen == []


def test_it_sees_a_stop_and_a_launch_at_the_next_look(toy: Workspace) -> None:
    service = Service(toy, threading.Event())
    assert service._store_state.result() == (frozenset(), frozenset())
    with toy.store.transaction() as connection:
        pauses.stop(connection, "toy", by="anna", now=toy.clock.now())
    assert service._store_state.result().scopes == {"toy"}
    launch(toy, "toy", by="anna", audience=None)
    assert len(service._store_state.result().launched) == 1
    service._store_state.close()


def test_the_sender_sees_what_was_planned_and_stopped(toy: Workspace) -> None:
    sender = Sender(lambda: toy)
    assert not sender._is_due(toy)
    start(toy)
    assert sender._is_due(toy)
    with toy.store.transaction() as connection:
        pauses.stop(connection, pauses.EVERYTHING, by="anna", now=toy.clock.now())
    assert not sender._is_due(toy)
    sender._next_due.close()


def test_a_message_that_becomes_due_later_is_due_without_a_commit(toy: Workspace) -> None:
    assert isinstance(toy.clock, ManualClock)
    sender = Sender(lambda: toy)
    start(toy)
    with toy.store.transaction() as connection:
        connection.exec_driver_sql("UPDATE message_status SET due_at = due_at + 3600000")
    assert not sender._is_due(toy)
    toy.clock.advance(timedelta(hours=1))
    assert sender._is_due(toy)
    sender._next_due.close()


def test_a_claimed_run_is_work_at_the_next_look(toy: Workspace) -> None:
    planning = Planning(lambda: toy, lambda: None)
    assert planning._find_work() == (False, False)
    launch(toy, "toy", by="anna", audience=None)
    claim(toy, "toy", Due(RunKind.MANUAL, "1", toy.clock.now()))
    assert planning._find_work() == (True, False)
    planning._work_in_store.close()


def test_a_web_app_that_looks_rarely_ends_at_once(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LOOK_EVERY", 3_600.0)
    web = WebServer(lambda: toy, "127.0.0.1", 0)
    web.start()
    web.stop()
    web.join(30)
    assert not web.is_alive()
