"""A dead process's messages, with a real process that is really killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.ledger import POLICY
from support.toy_project import start, toy_project

from automation.delivery.granting import WorkerLoad
from automation.delivery.processes import boot_id, host, started
from automation.delivery.rates import RateLimits, RunRate, to_micros
from automation.delivery.recovery import recorder_file, recover_all
from automation.delivery.tick import run_tick
from automation.store.engine import table
from automation.store.ledger import accounts, workers
from automation.store.tables import Worker
from automation.testing.toy_shop import TOY_AS_OF
from automation.types.run import Account
from automation.workspace.workspace import Workspace

HOLDER = """
import sys, time
from datetime import datetime, UTC
from pathlib import Path
from automation.delivery.flight_recorder import Recorder
from automation.types.message import Receipt, Rendered, Verdict
recorder = Recorder(Path(sys.argv[1]))
answered, doubtful = sys.argv[2], sys.argv[3]
for one in (answered, doubtful):
    recorder.handed_over(Rendered(one, 1, "email", "to", datetime(2026, 1, 1, tzinfo=UTC), "text"))
recorder.received(Receipt(answered, 1, Verdict.SENT, "250 ok"))
print("written", flush=True)
time.sleep(600)
"""


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Workspace]:
    with toy_project(tmp_path) as workspace:
        yield workspace


@contextmanager
def with_granted_messages(toy: Workspace, **differing: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A run whose five messages were granted to a process that answered for one and handed over another."""
    run_id = start(toy)
    with toy.store.transaction() as connection:
        values = {"host": host(), "boot_id": boot_id(), "pid_started": "1"} | differing
        worker_id = workers.register_worker(connection, pid=1, epoch=1, now=TOY_AS_OF, **values)
        limits = RateLimits({}, {}, to_micros(toy.clock.now()), TOY_AS_OF.date(), {run_id: RunRate("toy", None)})
        done = run_tick(connection, [], [WorkerLoad(worker_id, {})], now=toy.clock.now(), policy=POLICY, limits=limits)
    ids = [grant.id for grant in done.grants]
    assert len(ids) == 5
    command = [sys.executable, "-c", HOLDER, str(recorder_file(toy, worker_id)), *ids[:2]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        mine = {"pid": process.pid} | ({} if "pid_started" in differing else {"pid_started": started(process.pid)})
        with toy.store.transaction() as connection:
            connection.execute(sa.update(table(Worker)).where(table(Worker).c.id == worker_id).values(**mine))
        try:
            yield run_id, process
        finally:
            process.kill()


def account(toy: Workspace, run_id: int) -> Account:
    with toy.store.reading() as connection:
        found = accounts.account(connection, run_id)
    assert found.adds_up
    return found


def test_a_living_worker_is_killed_first_and_its_record_used(toy: Workspace) -> None:
    with with_granted_messages(toy) as (run_id, process):
        assert recover_all(toy) == 5
        assert process.wait(60) == -9
    assert account(toy, run_id) == Account(audience=6, unreachable=1, sent=1, ambiguous=1, queued=3)
    assert list(recorder_file(toy, 1).parent.glob("*")) == []
    assert recover_all(toy) == 0


def test_a_process_that_is_dead_already(toy: Workspace) -> None:
    with with_granted_messages(toy) as (run_id, process):
        process.kill()
        process.wait()
        recover_all(toy)
    assert account(toy, run_id) == Account(audience=6, unreachable=1, sent=1, ambiguous=1, queued=3)


def test_another_process_with_the_workers_pid_is_left_alone(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.delivery.recovery.MAY_FINISH", 0.1)
    with with_granted_messages(toy, pid_started="12345") as (run_id, process):
        recover_all(toy)
        assert process.poll() is None
    assert account(toy, run_id) == Account(audience=6, unreachable=1, ambiguous=5)


@pytest.mark.parametrize("differing", [{"boot_id": "before the machine started"}, {"host": "another-machine"}])
def test_a_record_from_before_a_reboot_or_another_machine_is_not_used(
    toy: Workspace, differing: dict[str, str]
) -> None:
    with with_granted_messages(toy, **differing) as (run_id, process):
        recover_all(toy)
        assert process.poll() is None
    assert account(toy, run_id) == Account(audience=6, unreachable=1, ambiguous=5)


def test_without_a_record_everything_may_have_arrived(toy: Workspace) -> None:
    with with_granted_messages(toy) as (run_id, process):
        process.kill()
        process.wait()
        recorder_file(toy, 1).unlink()
        recover_all(toy)
    assert account(toy, run_id) == Account(audience=6, unreachable=1, ambiguous=5)


def test_this_very_process_is_never_killed(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.delivery.recovery.MAY_FINISH", 0.1)
    with with_granted_messages(toy) as (run_id, _):
        with toy.store.transaction() as connection:
            mine = {"pid": os.getpid(), "pid_started": started(os.getpid())}
            connection.execute(sa.update(table(Worker)).values(**mine))
        recover_all(toy)
    assert account(toy, run_id) == Account(audience=6, unreachable=1, ambiguous=5)
