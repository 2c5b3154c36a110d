"""The daemon's side of planning: starts the planning process when there is something to do, and ends it afterwards.

What reads the warehouse takes more than 100 MB, and a daemon plans for a few minutes a day.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.engine import Connection

from automation.clock import monotonic
from automation.daemon.planning_socket import PlanningSocket
from automation.daemon.work import FLUSH_EVERY, has_events, has_work, next_step
from automation.errors import AutomationError
from automation.store.repeated_query import RepeatedQuery
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

LINGER = 60.0
"""Seconds without work after which the process ends."""
GRACE = 6.0
"""Seconds that the process may take to end; it finishes its batch."""
_LOOK_EVERY = 1.0
_TRY_AGAIN_AFTER = 30.0
_PATIENCE = 20.0


class PlanningEnded(AutomationError):
    """The planning process ended without an answer."""


class _Process:
    """A planning process as the daemon sees it. said: gets what it says."""

    def __init__(self, workspace: Workspace, said: Callable[[str, Sequence[object]], None]) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "automation.daemon.planning_process", str(theirs.fileno())]
        self.process = subprocess.Popen(  # noqa: S603  # this interpreter, this package
            command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        self.socket = PlanningSocket(ours)
        self.socket.send("hello", str(workspace.project.root), workspace.project.text)
        self.gone = False
        self._said = said
        self._stays = threading.Event()
        self._listening = threading.Thread(target=self._listen, name="planning-process", daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        for kind, *content in self.socket:
            if kind == "stays":
                self._stays.set()
            else:
                self._said(kind, content)
        self.gone = True
        self._stays.set()
        self._said("ended", ())

    def end_if_idle(self) -> bool:
        """Returns whether it has ended; it stays where it has something to do, such as a long flush."""
        self._stays.clear()
        self.socket.send("end")
        self._stays.wait(GRACE)
        if self.gone:
            self.kill()
        return self.gone

    def end(self, grace: float) -> bool:
        """Returns whether it ended by itself."""
        self.socket.send("stop")
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            return False
        finally:
            self.kill()
        return True

    def kill(self) -> None:
        """Also where it has ended: then nothing of it is left."""
        self.process.kill()
        self.process.wait()
        self._listening.join()
        self.socket.close()


class Planning(threading.Thread):
    """Has runs planned that are created or partly planned, also those of an earlier process.

    planned: called after each run. halted: whether the daemon ends, so that it no longer waits for an answer.
    """

    def __init__(
        self,
        workspace: Callable[[], Workspace],
        planned: Callable[[], None],
        halted: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(name="planner", daemon=True)
        self.planning: int | None = None
        self.not_launched: tuple[str, ...] = ()
        self._workspace = workspace
        self._planned = planned
        self._halted = halted
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._process: _Process | None = None
        self._answers: dict[int, Future[object]] = {}
        self._asked = 0
        self._files_changed = False
        self._flushed = self._worked = monotonic()
        self._not_before = 0.0
        self._work_in_store = RepeatedQuery(workspace().store, self._ask_store)

    def wake(self) -> None:
        """A run was claimed."""
        self._work.set()

    def check_launches(self) -> None:
        """The project's files changed: some may have to be launched (`launch: on_merge`)."""
        self._files_changed = True
        self._work.set()

    def stop(self) -> None:
        """Stop before the next batch; planned batches stay planned."""
        self._stopping.set()
        self._work.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            self._work.wait(_LOOK_EVERY)
            self._work.clear()
            try:
                self._look()
            except Exception:
                log.exception("planning failed")
        self._work_in_store.close()
        self._end_process()

    # What the daemon asks

    def check_restored_copy(self) -> str | None:
        """Why nothing may be sent from this store. Raises `AutomationError`."""
        answer = self._ask("restored", 300.0)
        return None if answer is None else str(answer)

    def read_zones(self) -> list[ZoneInfo]:
        """The customers' time zones. Raises `AutomationError`, also where the warehouse can't be read in some seconds,
        since the daemon's main loop waits for them."""
        answer = self._ask("zones", _PATIENCE)
        assert isinstance(answer, list)
        return [ZoneInfo(name) for name in answer]

    def _ask(self, what: str, patience: float) -> object:
        answer: Future[object] = Future()
        with self._lock:
            self._forget_ended()
            process = self._start_process()
            self._asked += 1
            number = self._asked
            self._answers[number] = answer
            process.socket.send("ask", number, what)
        if process.gone:
            self._give(number, None, "the planning process ended")
        deadline = monotonic() + patience
        try:
            while not wait([answer], _LOOK_EVERY).done:
                if monotonic() >= deadline or self._halted():
                    raise PlanningEnded("the planning process has not answered in time")
            return answer.result()
        finally:
            self._answers.pop(number, None)
            self._worked = monotonic()

    # Work

    def _look(self) -> None:
        with self._lock:
            self._forget_ended()
            if monotonic() < self._not_before:
                return
            is_due, is_flush_due = self._find_work()
            if is_due or is_flush_due or self._files_changed:
                self._order(is_flush_due)
            elif self._process is not None and self._is_idle() and self._process.end_if_idle():
                log.info("planning process ended", clean=True)
                self._process = None

    def _find_work(self) -> tuple[bool, bool]:
        """Whether something is to be planned, and whether events are to be flushed: every five minutes, even if no run
        needs them."""
        is_due, has_waiting, due = self._work_in_store.result()
        is_due = is_due or (due is not None and due <= self._workspace().clock.now())
        return is_due, has_waiting and monotonic() - self._flushed >= FLUSH_EVERY

    def _ask_store(self, connection: Connection) -> tuple[bool, bool, datetime | None]:
        workspace = self._workspace()
        is_due = has_work(connection, workspace.project.settings.consent, now=workspace.clock.now())
        return is_due, has_events(connection), next_step(connection)

    def _order(self, flush: bool) -> None:
        process = self._start_process()
        if self._files_changed:
            self._files_changed = False
            self._work_in_store.forget()
            process.socket.send("files")
        if flush:
            process.socket.send("flush")
            self._flushed = monotonic()
        process.socket.send("plan")
        self._worked = monotonic()

    def _is_idle(self) -> bool:
        return self.planning is None and not self._answers and monotonic() - self._worked >= LINGER

    # The process

    def _start_process(self) -> _Process:
        if self._process is None:
            self._process = _Process(self._workspace(), self._take)
            log.info("planning process started", pid=self._process.process.pid)
        return self._process

    def _take(self, kind: str, content: Sequence[object]) -> None:
        """What the process says; called by the thread that listens to it."""
        match kind, *content:
            case ("planned",):
                self._planned()
            case "state", int() | None as run_id, list() as not_launched:
                self.planning, self.not_launched = run_id, tuple(not_launched)
            case "answer", int() as number, answer, error:
                self._give(number, answer, error)
            case "log", str() as level, dict() as fields:
                getattr(log, level, log.info)(**fields)
            case ("ended",):
                for number in list(self._answers):
                    self._give(number, None, "the planning process ended")
                self._work.set()

    def _give(self, number: int, answer: object, error: object) -> None:
        waiting = self._answers.pop(number, None)
        if waiting is not None and error is None:
            waiting.set_result(answer)
        elif waiting is not None:
            waiting.set_exception(PlanningEnded(str(error)))

    def _forget_ended(self) -> None:
        """A process that ended by itself has crashed or was killed; what it did is tried again after a while."""
        if self._process is None or self._process.process.poll() is None:
            return
        code, run_id = self._process.process.returncode, self.planning
        self._process.kill()
        self._process = self.planning = None
        self._not_before = monotonic() + _TRY_AGAIN_AFTER
        log.error("the planning process ended; retrying", code=code, run=run_id, retry_in_seconds=_TRY_AGAIN_AFTER)

    def _end_process(self) -> None:
        with self._lock:
            if self._process is not None:
                clean = self._process.end(GRACE)
                log.info("planning process ended", clean=clean)
                self._process = self.planning = None
