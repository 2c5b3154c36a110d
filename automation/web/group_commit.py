"""One writer for the whole app: what several requests write at the same moment shares one durable commit."""

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

log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[Connection], T]

GROUP = 200
MOST_WAITING = 2_000
LINGER = 0.02
"""Seconds that a group waits for company while there is any: each commit is a sync that the daemon's sending waits for.
M: beside ten clients that ask without a pause, a daemon sends 560 messages/s with it and 150 without (alone 760)."""
_COMMITS_A_CHECKPOINT = 500


class Overloaded(AutomationError):
    """More waits to be written than the store can take; the caller may come back in a moment."""


@dataclass(frozen=True)
class _Job:
    work: Work[Any]
    future: Future[Any] = field(default_factory=Future)


class GroupCommit:
    """Commits work in groups of at most 200; each one's outcome is given only when it is durable.

    One that raises is undone alone and gets its error; where the commit itself fails everyone of the group does.
    """

    def __init__(self, store: Store, *, may_checkpoint: Callable[[], bool] = lambda: False) -> None:
        self._store = store
        self._may_checkpoint = may_checkpoint
        self._commits = 0
        self._crowded = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    async def commit(self, work: Work[T]) -> T:
        """Run `work` in a transaction; returns what it returned once that is durable. Raises `Overloaded`."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Work[T]) -> Future[T]:
        if self._jobs.qsize() >= MOST_WAITING:
            raise Overloaded("too much waits to be written")
        job = _Job(work)
        self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Write what waits, then end."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._gather()
            self._crowded = len(group) > 1
            self._commit([job for job in group if job.future.set_running_or_notify_cancel()])
            self._tidy()

    def _gather(self) -> tuple[list[_Job], bool]:
        """What waits now, and whether more may come; while requests come thick, those of the next moment too."""
        group: list[_Job] = []
        job = self._jobs.get()
        if self._crowded:
            time.sleep(LINGER)
        while job is not None:
            group.append(job)
            if len(group) == GROUP:
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
                outcomes = [_outcome(connection, job.work, alone=len(group) == 1) for job in group]
        except Exception as error:
            for job in group:
                job.future.set_exception(error)
            return
        for job, (result, failure) in zip(group, outcomes, strict=True):
            if failure is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(failure)

    def _tidy(self) -> None:
        self._commits += 1
        if self._commits % _COMMITS_A_CHECKPOINT == 0:
            try:
                if self._may_checkpoint():
                    self._store.checkpoint()
            except Exception:
                log.exception("the write-ahead log could not be moved; the next time it may")


def _outcome(connection: Connection, work: Work[T], *, alone: bool) -> tuple[T | None, Exception | None]:
    """What the work gives, in a savepoint of its own unless nobody else is in the transaction."""
    if alone:
        return work(connection), None
    try:
        with connection.begin_nested():
            return work(connection), None
    except Exception as error:
        return None, error
