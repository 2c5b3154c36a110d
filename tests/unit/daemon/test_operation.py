"""Whether what was launched really runs is never answered with silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from os import getpid
from pathlib import Path

import pytest
import sqlalchemy as sa

from automation.clock import ManualClock, to_millis
from automation.daemon.health import Beat
from automation.daemon.lock import hold_lock
from automation.daemon.operation import Operation, read_operation
from automation.store import holds, launches, pauses
from automation.store.engine import open_store, table
from automation.store.tables import Run
from automation.store.write_ahead_log import KeptLog, Reader, log_size
from automation.workspace.opened import OpenedStore

NOW = datetime(2026, 6, 1, 9, tzinfo=UTC)
BEAT = Beat(
    getpid(), NOW - timedelta(hours=1), NOW, "running", next_due={"spring": (NOW + timedelta(hours=1)).isoformat()}
)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenedStore]:
    with OpenedStore(tmp_path, open_store(tmp_path / "store.db"), ManualClock(NOW)) as made:
        yield made


def launch(opened: OpenedStore, name: str = "spring") -> int:
    with opened.store.transaction() as connection:
        return launches.launch(
            connection,
            campaign=name,
            text="",
            templates={},
            plugins={},
            by="ana",
            approved_by=None,
            audience=None,
            now=NOW,
        )


@contextmanager
def beating(folder: Path, beat: Beat = BEAT) -> Iterator[None]:
    """A daemon that holds the lock, and whose last heartbeat was this."""
    with hold_lock(folder):
        beat.write(folder)
        yield


def errors(found: Operation) -> dict[str, str]:
    return {check.name: check.detail for check in found.checks() if check.state == "error"}


def test_without_launches_no_daemon_is_needed(opened: OpenedStore) -> None:
    found = read_operation(opened)
    assert errors(found) == {}
    assert found.to_json()["problems"] == []


def test_launched_campaigns_need_a_daemon(opened: OpenedStore) -> None:
    launch(opened)
    found = read_operation(opened)
    assert errors(found) == {"daemon": "no daemon is running for 1 launched campaign; start it: automation daemon"}
    assert found.to_json()["daemon"] == "not running"
    with beating(opened.data_dir):
        found = read_operation(opened)
        assert errors(found) == {}
        assert found.scheduler().detail == "next: spring at 2026-06-01 10:00 UTC"
        assert found.to_json() == {
            "daemon": "running",
            "scheduler_looked_seconds_ago": 0,
            "next_due": NOW + timedelta(hours=1),
            "launched": 1,
            "stops": 0,
            "held_runs": 0,
            "log_bytes": log_size(opened.store),
            "log_kept_since": None,
            "log_kept_by": [],
            "problems": [],
        }


@pytest.mark.parametrize("scope", ["spring", pauses.EVERYTHING])
def test_what_is_stopped_needs_no_daemon(opened: OpenedStore, scope: str) -> None:
    launch(opened)
    with opened.store.transaction() as connection:
        pauses.stop(connection, scope, by="ana", now=NOW)
    found = read_operation(opened)
    assert errors(found) == {}
    assert (found.to_json()["stops"], found.to_json()["problems"]) == (1, ["sending"])


@pytest.mark.parametrize(
    ("beat", "name", "said"),
    [
        (replace(BEAT, at=NOW - timedelta(minutes=2)), "daemon", "it last reported at 2026-06-01 08:58 UTC"),
        (replace(BEAT, ended=("planner",)), "daemon", "parts of the daemon have ended: planner"),
        (replace(BEAT, scheduler_silent=600.0), "scheduler", "it last looked for due campaigns 10 minutes ago"),
        (
            replace(BEAT, next_due={"spring": (NOW - timedelta(minutes=6)).isoformat()}),
            "scheduler",
            "due and not started: spring",
        ),
    ],
)
def test_a_daemon_that_is_alive_may_still_do_nothing(opened: OpenedStore, beat: Beat, name: str, said: str) -> None:
    launch(opened)
    with beating(opened.data_dir, beat):
        found = read_operation(opened)
        assert said in errors(found)[name]
        assert name in str(found.to_json()["problems"])


def test_a_reader_that_keeps_the_log_is_named(opened: OpenedStore) -> None:
    kept = KeptLog(NOW - timedelta(minutes=3), (Reader(77, "python3"),))
    with beating(opened.data_dir, replace(BEAT, kept_log=kept)):
        found = replace(read_operation(opened), log_size=412_000_000)
    log = found.write_ahead_log()
    assert log.state == "warning"
    assert log.detail == (
        "412 MB, and growing since 2026-06-01 08:57 UTC: process 77 (python3) reads an old state of the store; end it. "
        "Sending goes on meanwhile"
    )
    said = found.to_json()
    assert (said["log_bytes"], said["log_kept_since"], said["log_kept_by"]) == (412_000_000, kept.since, [77])
    assert said["problems"] == ["write-ahead log"]
    assert read_operation(opened).write_ahead_log().state == "ok"  # of a daemon that has ended
    assert replace(read_operation(opened), log_size=300_000_000).write_ahead_log().state == "warning"


def test_held_runs_are_said(opened: OpenedStore) -> None:
    launch_id = launch(opened)
    run = {
        "campaign": "spring",
        "kind": "manual",
        "due_key": "1",
        "due_at": to_millis(NOW),
        "created_at": to_millis(NOW),
    }
    with opened.store.transaction() as connection:
        made = connection.execute(
            sa.insert(table(Run))
            .values({**run, "launch_id": launch_id, "state": "planning"})
            .returning(table(Run).c.id)
        ).scalar_one()
        holds.hold(connection, made, guard="size", what="its audience is 9", now=NOW)
    found = read_operation(opened)
    held = [check.detail for check in found.checks() if check.name == "held runs"]
    assert held == [f"run {made} of spring: its audience is 9; to send it anyway: automation release {made}"]
    assert found.to_json()["held_runs"] == 1
    assert "held runs" in str(found.to_json()["problems"])


def test_a_heartbeat_of_an_earlier_release_is_read(opened: OpenedStore) -> None:
    with beating(opened.data_dir):
        file = opened.data_dir / "daemon.json"
        old = json.loads(file.read_text())
        del old["ended"], old["scheduler_silent"]
        file.write_text(json.dumps(old))
        assert read_operation(opened).health.responding
