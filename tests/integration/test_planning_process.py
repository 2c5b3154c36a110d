"""The planning process starts when there is something to plan, and ends afterwards, or with the daemon."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from time import sleep

import pytest
from structlog.testing import capture_logs
from support.project import launched_project

from automation.clock import SystemClock, monotonic
from automation.daemon import planning
from automation.daemon.planner import Planner
from automation.daemon.planning import Planning
from automation.daemon.planning_process import PlanningProcess, _open
from automation.daemon.planning_socket import PlanningSocket
from automation.errors import AutomationError
from automation.reporting.run_status import run_status
from automation.runner.claim import claim
from automation.schedule.due_times import Due
from automation.store import pauses
from automation.types.run import RunKind, RunState
from automation.workspace.workspace import Workspace, open_workspace


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workspace]:
    launched_project(tmp_path, customers=3, launched_at=SystemClock().now() - timedelta(minutes=1))
    with open_workspace(tmp_path) as workspace:
        yield workspace


def new_run(shop: Workspace, key: str) -> int:
    made = claim(shop, "hello", Due(RunKind.MANUAL, key, shop.clock.now()), released_by="ana")
    assert made is not None
    return made.id


def wait_until(what: Callable[[], object]) -> None:
    deadline = monotonic() + 60
    while not what():
        assert monotonic() < deadline, "it did not happen in time"
        sleep(0.05)


def is_planned(shop: Workspace, run_id: int) -> bool:
    return run_status(shop, run_id).run.state is RunState.SENDING


def children() -> list[int]:
    """The planning processes of this one."""
    pids = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    return [int(pid) for pid in pids if "planning_process" in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.mark.slow
def test_it_ends_after_its_work_and_a_crash_is_tried_again(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LINGER", 0.1)
    monkeypatch.setattr(planning, "_TRY_AGAIN_AFTER", 0.1)
    planned: list[str] = []
    part = Planning(lambda: shop, lambda: planned.append("planned"))
    with capture_logs() as logged:
        part.start()
        try:
            assert children() == []
            first = new_run(shop, "1")
            part.wake()
            wait_until(lambda: is_planned(shop, first) and planned)
            wait_until(lambda: not children())
            second = new_run(shop, "2")
            part.wake()
            wait_until(children)
            os.kill(children()[0], signal.SIGKILL)
            wait_until(lambda: is_planned(shop, second))
        finally:
            part.stop()
            part.join(30)
    assert not part.is_alive()
    assert children() == []
    ended = [line for line in logged if line["event"] == "the planning process ended; retrying"]
    assert [line["code"] for line in ended] == [-signal.SIGKILL]
    assert "run planned" in [line["event"] for line in logged]  # its own log lines are the daemon's


def test_it_answers_for_the_daemon_and_says_why_it_cannot(shop: Workspace) -> None:
    part = Planning(lambda: shop, lambda: None)
    assert [zone.key for zone in part.read_zones()] == ["Europe/Berlin"]
    assert part.check_restored_copy() is None
    log = next((shop.data_dir / "warehouse/customers/_delta_log").glob("*.json"))
    log.write_text("{")
    with pytest.raises(AutomationError, match="Kernel error"):
        part.read_zones()
    part.stop()
    part.run()
    assert children() == []


def test_nothing_is_started_where_nothing_waits(shop: Workspace) -> None:
    run_id = new_run(shop, "1")
    with shop.store.transaction() as connection:
        pauses.stop(connection, "hello", by="ana", now=shop.clock.now())
    part = Planning(lambda: shop, lambda: None)
    part._look()
    assert children() == []
    assert run_status(shop, run_id).run.state is RunState.CREATED


def test_it_stays_while_something_is_done(shop: Workspace) -> None:
    """A flush or a launch may take longer than the daemon waits for more work."""
    planner = Planner(lambda: shop, lambda: None)
    kept = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("automation.daemon.planner.flush_events", lambda *_: kept.append(planner.stop_if_idle()))
        planner.flush_soon()
        planner.start()
        wait_until(lambda: kept)
    assert kept == [False]
    wait_until(planner.stop_if_idle)
    planner.join(30)
    assert not planner.is_alive()


@pytest.mark.slow
def test_it_ends_when_the_daemon_is_gone(shop: Workspace) -> None:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-P", "-m", "automation.daemon.planning_process", str(theirs.fileno())]
    with subprocess.Popen(command, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        daemon = PlanningSocket(ours)
        daemon.send("hello", str(shop.project.root), shop.project.text)
        assert next(daemon) == ["ready"]
        process.send_signal(signal.SIGTERM)  # only the daemon ends it
        daemon.send("ask", 1, "zones")
        assert next(daemon) == ["answer", 1, ["Europe/Berlin"], None]
        daemon.close()
        assert process.wait(30) == 0


def test_it_follows_its_orders_and_says_what_it_does(shop: Workspace) -> None:
    ours, theirs = socket.socketpair()
    daemon = PlanningSocket(ours)
    daemon.send("hello", str(shop.project.root), shop.project.text)
    other_side = PlanningSocket(theirs)
    process = PlanningProcess(other_side)
    thread = threading.Thread(target=process.work, daemon=True)
    thread.start()
    run_id = new_run(shop, "1")
    try:
        assert next(daemon) == ["ready"]
        daemon.send("files")
        daemon.send("flush")
        daemon.send("plan")
        said = list(iter(lambda: next(daemon), ["planned"]))
        assert ["state", run_id, []] in said
        assert is_planned(shop, run_id)
        for number, what in enumerate(["zones", "restored", "tea"]):
            daemon.send("ask", number, what)
        answers = sorted(next(message for message in daemon if message[0] == "answer") for _ in range(3))
        assert answers == [
            ["answer", 0, ["Europe/Berlin"], None],
            ["answer", 1, None, None],
            ["answer", 2, None, "'tea'"],
        ]
        (shop.project.root / "config.yaml").write_text("shop: [")
        daemon.send("files")  # which are invalid now: it goes on with those that it has
        daemon.send("stop")
        thread.join(30)
        assert not thread.is_alive()
    finally:
        daemon.close()
        other_side.close()
    assert _open(shop.project.root, shop.project.text).settings == shop.project.settings
