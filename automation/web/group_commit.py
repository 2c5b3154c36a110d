"""Group commit: one writer for the whole app, so that concurrent requests share one durable commit."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from sqlalchemy.engine import Connection

from automation.errors import AutomationError
from automation.store.engine import Store
from automation.store.write_ahead_log import checkpoint

log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[Connection], T]

MAX_GROUP = 200
MAX_WAITING = 2_000
LINGER = 0.02
"""Seconds that a group waits for more work while requests are concurrent, since the daemon's sending waits for each
commit's sync. Beside ten clients that never pause, a daemon sends 560 messages/s with it, 150 without (760 alone)."""
_CHECKPOINT_EVERY = 500


class Overloaded(AutomationError):
    """Too many writes are waiting; the caller may retry in a moment."""


@dataclass(frozen=True)
class _Job:
    work: Work[Any]
    future: Future[Any] = field(default_factory=Future)


class GroupCommit:
    """Commits work in groups of at most 200; a result is returned only when it is durable.

    Work that raises is rolled back alone and gets its error. If the commit itself fails, all work of the group fails.
    """

    def __init__(self, store: Store, *, may_checkpoint: Callable[[], bool] = lambda: False) -> None:
        self._store = store
        self._may_checkpoint = may_checkpoint
        self._commits = 0
        self._concurrent = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    async def commit(self, work: Work[T]) -> T:
        """Run `work` in a transaction; returns its result once that is durable. Raises `Overloaded`."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Work[T]) -> Future[T]:
        if self._jobs.qsize() >= MAX_WAITING:
            raise Overloaded("too many writes are waiting")
        job = _Job(work)
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Write what is waiting, then stop."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._gather()
            self._concurrent = len(group) > 1
            self._commit([job for job in group if job.future.set_running_or_notify_cancel()])
            self._checkpoint()

    def _gather(self) -> tuple[list[_Job], bool]:
        """The waiting jobs, and whether more may come. While requests are concurrent, it lingers for more."""
        group: list[_Job] = []
        job = self._jobs.get()
        if self._concurrent:
            time.sleep(LINGER)
        while job is not None:
            group.append(job)
            if len(group) == MAX_GROUP:
                break
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
        return group, job is not None

    def _commit(self, group: list[_Job]) -> None:
        if not group:
            return
        try:
            with self._store.transaction() as connection:
                outcomes = [_run_work(connection, job.work, alone=len(group) == 1) for job in group]
        except Exception as error:
            for job in group:
                job.future.set_exception(error)
            return
        for job, (result, failure) in zip(group, outcomes, strict=True):
            if failure is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(failure)

    def _checkpoint(self) -> None:
        self._commits += 1
        if self._commits % _CHECKPOINT_EVERY == 0:
            try:
                if self._may_checkpoint():
                    checkpoint(self._store)
            except Exception:
                log.exception("checkpoint of the write-ahead log failed; retrying later")


def _run_work(connection: Connection, work: Work[T], *, alone: bool) -> tuple[T | None, Exception | None]:
    """The result or the error of the work, in a savepoint of its own unless it is alone in the transaction."""
    if alone:
        return work(connection), None
    try:
        with connection.begin_nested():
            return work(connection), None
    except Exception as error:
        return None, error
