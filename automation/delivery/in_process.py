"""Delivers in the committer's own process: for few messages, tests and the demo."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from automation.config.project import Project
from automation.contracts import Channel
from automation.delivery.composer import Composer
from automation.delivery.dispatcher import Dispatcher
from automation.delivery.executor import GROUP, Arrivals, ExecutorHost, find_unused_batches
from automation.delivery.flight_recorder import Recorder
from automation.revocations import RevocationReader
from automation.types.grant import Grant
from automation.types.message import Receipt, Verdict


@dataclass
class InProcessExecutor:
    """One worker on the committer's event loop."""

    project: Project
    composer: Composer
    make: Callable[[str, int], Channel]
    revocations: RevocationReader
    _worker_id: int = 0
    _dispatcher: Dispatcher | None = None
    _recorder: Recorder | None = None
    _host: ExecutorHost | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _on_their_way: dict[str, Grant] = field(default_factory=dict)
    _arrivals: Arrivals = field(default_factory=Arrivals)
    _asked: dict[tuple[str, int], int] = field(default_factory=dict)
    """By ambiguous message and attempt that a channel was asked about, the worker that it was granted to."""

    async def start(self, host: ExecutorHost) -> None:
        self._host = host
        self._worker_id, path = host.register(os.getpid())
        self._recorder = Recorder(path)
        self._dispatcher = Dispatcher(self.composer, self.make, self._recorder, self._report, self.revocations)

    @property
    def ready(self) -> Sequence[int]:
        return [self._worker_id]

    @property
    def alive(self) -> Sequence[int]:
        return [self._worker_id]

    @property
    def busy(self) -> int:
        return len(self._on_their_way)

    def hand(self, grants: Sequence[Grant], since: int) -> None:
        assert self._dispatcher is not None
        self._on_their_way |= {grant.id: grant for grant in grants}
        for grant in grants:
            self._show(grant)
        for start in range(0, len(grants), GROUP):
            self._begin(self._dispatcher.dispatch(grants[start : start + GROUP], since))

    def resolve(self, grants: Sequence[Grant]) -> None:
        assert self._dispatcher is not None
        for grant in grants:
            self._show(grant)
        self._asked |= {(grant.id, grant.attempt): grant.worker_id for grant in grants}
        self._begin(self._dispatcher.resolve(grants))

    def receipts(self) -> list[Receipt]:
        return self._arrivals.take()

    async def wait(self, seconds: float) -> None:
        await self._arrivals.wait(seconds)
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.discard(task)
            task.result()

    async def shut_down(self, grace: float) -> list[int]:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._arrivals.add(
            Receipt(grant.id, grant.attempt, Verdict.WITHDRAWN, "not begun", worker_id=grant.worker_id)
            for grant in self._on_their_way.values()
        )
        self._on_their_way.clear()
        if self._dispatcher is not None:
            await self._dispatcher.close()
        if self._recorder is not None:
            self._recorder.close()
        self.revocations.close()
        return [self._worker_id] if self._worker_id else []

    def _begin(self, work: object) -> None:
        assert asyncio.iscoroutine(work)
        self._tasks.add(asyncio.create_task(work))

    def _report(self, receipt: Receipt) -> None:
        grant = self._on_their_way.get(receipt.id)
        if grant is not None and grant.attempt == receipt.attempt:
            del self._on_their_way[receipt.id]
            worker_id = grant.worker_id
        else:
            worker_id = self._asked.pop((receipt.id, receipt.attempt), self._worker_id)
        self._arrivals.add([replace(receipt, worker_id=worker_id)])

    def _show(self, grant: Grant) -> None:
        """Read the launch and the batch's content once; recent batches are kept."""
        composer, host = self.composer, self._host
        assert host is not None
        if grant.launch_id not in composer.launches:
            composer.show_launch(self.project, grant.launch_id, host.pinned(grant.launch_id))
        key = (grant.run_id, grant.batch_no)
        if key not in composer.batches:
            for old in find_unused_batches(composer.batches, self._on_their_way.values()):
                composer.forget_batch(*old)
            composer.show_batch(*key, grant.launch_id, host.content(*key))
