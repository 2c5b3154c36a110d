"""Delivers in spawned worker processes, one a core; each has a socket and a heartbeat, and a dead one is replaced."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from automation.clock import monotonic
from automation.config.project import Project
from automation.delivery.executor import GROUP, Arrivals, Batch, ExecutorHost, find_unused_batches
from automation.delivery.flight_recorder import unpack
from automation.delivery.frames import encode_frame, pack_grants, read_frame
from automation.errors import AutomationError
from automation.types.grant import Grant
from automation.types.message import Receipt

log = structlog.get_logger(__name__)

SILENT = 3.0
"""Seconds without a heartbeat after which a worker counts as dead."""
_START = 60.0
"""Seconds that a worker may take to become ready."""
_OWN_GAP = 1.0
_FAILED_STARTS = 3


@dataclass
class SpawnedWorker:
    """One worker process as the committer sees it."""

    process: subprocess.Popen[bytes]
    writer: asyncio.StreamWriter
    pulse: int
    worker_id: int
    heard: float
    ready: bool = False
    gone: bool = False
    on_their_way: dict[str, Grant] = field(default_factory=dict)
    launches: set[int] = field(default_factory=set)
    batches: dict[Batch, None] = field(default_factory=dict)
    listening: asyncio.Task[None] | None = None


@dataclass
class WorkerPool:
    """Spawned workers without access to the store. A dead worker is recovered before another replaces it.

    revocations: the file of the store's revocation log.
    """

    project: Project
    secret: bytes
    revocations: Path | None
    count: int
    _host: ExecutorHost | None = None
    _workers: list[SpawnedWorker] = field(default_factory=list)
    _arrivals: Arrivals = field(default_factory=Arrivals)
    _asked: dict[tuple[str, int], int] = field(default_factory=dict)
    """By ambiguous message and attempt that a worker was asked about, the worker that it was granted to."""
    _looked: float = 0.0
    _failed_starts: int = 0

    async def start(self, host: ExecutorHost) -> None:
        self._host = host
        for _ in range(self.count):
            await self._spawn()
        self._looked = monotonic()

    @property
    def ready(self) -> Sequence[int]:
        return [worker.worker_id for worker in self._workers if worker.ready and not worker.gone]

    @property
    def alive(self) -> Sequence[int]:
        return [worker.worker_id for worker in self._workers]

    @property
    def busy(self) -> int:
        return sum(len(worker.on_their_way) for worker in self._workers)

    def hand(self, grants: Sequence[Grant], since: int) -> None:
        for worker in self._workers:
            mine = [grant for grant in grants if grant.worker_id == worker.worker_id]
            for start in range(0, len(mine), GROUP):
                self._send(worker, mine[start : start + GROUP], since)

    def resolve(self, grants: Sequence[Grant]) -> None:
        worker = next((worker for worker in self._workers if worker.ready and not worker.gone), None)
        if worker is not None and grants:
            self._show(worker, grants)
            self._asked |= {(grant.id, grant.attempt): grant.worker_id for grant in grants}
            worker.writer.write(encode_frame("resolve", pack_grants(grants)))

    def receipts(self) -> list[Receipt]:
        return self._arrivals.take()

    async def wait(self, seconds: float) -> None:
        await self._arrivals.wait(seconds)
        await self._replace_the_dead()

    async def shut_down(self, grace: float) -> list[int]:
        """Each worker finishes its messages and ends; one that falls silent, or is late, is killed and recovered."""
        assert self._host is not None
        ended = []
        deadline = monotonic() + grace
        for worker in self._workers:
            if not worker.gone and worker.writer.can_write_eof():
                worker.writer.write_eof()
        while any(worker.on_their_way and not self._is_dead(worker) for worker in self._workers):
            if monotonic() >= deadline:
                break
            await self._arrivals.wait_for_next(0.25)
        for worker in self._workers:
            if not worker.on_their_way and await self._ended(worker):
                ended.append(worker.worker_id)
                await self._close(worker)
            else:
                log.warning("a worker is ended", worker_id=worker.worker_id, unanswered=len(worker.on_their_way))
                await self._fence(worker)
                self._host.recover(worker.worker_id)
        self._workers.clear()
        return ended

    # Processes

    async def _spawn(self) -> None:
        assert self._host is not None
        ours, theirs = socket.socketpair()
        pulse, beating = os.pipe()
        command = [sys.executable, "-P", "-m", "automation.delivery.worker", str(theirs.fileno()), str(beating)]
        process = subprocess.Popen(  # noqa: S603  # this interpreter, this package
            command, pass_fds=(theirs.fileno(), beating), stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        os.close(beating)
        os.set_blocking(pulse, False)
        worker_id, recorder = self._host.register(process.pid)
        reader, writer = await asyncio.open_connection(sock=ours, limit=2**24)
        worker = SpawnedWorker(process, writer, pulse, worker_id, monotonic())
        hello = {
            "root": str(self.project.root),
            "cwd": str(Path.cwd()),
            "config": self.project.text,
            "secret": self.secret.hex(),
            "recorder": str(recorder),
            "revocations": None if self.revocations is None else str(self.revocations),
        }
        writer.write(encode_frame("hello", hello))
        worker.listening = asyncio.create_task(self._listen(worker, reader))
        self._workers.append(worker)

    async def _listen(self, worker: SpawnedWorker, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                kind, *content = await read_frame(reader)
                if kind == "receipts":
                    self._take(worker, [unpack(packed) for packed in content[0]])
                elif kind == "ready":
                    worker.ready = True
                    self._failed_starts = 0
                    self._arrivals.wake()
                elif kind == "log":
                    getattr(log, content[0], log.info)(**{"worker_id": worker.worker_id, **content[1]})
        except (asyncio.IncompleteReadError, ConnectionError):
            worker.gone = True
            self._arrivals.wake()

    def _take(self, worker: SpawnedWorker, receipts: Sequence[Receipt]) -> None:
        self._arrivals.add(self._of_worker(worker, receipt) for receipt in receipts)

    def _of_worker(self, worker: SpawnedWorker, receipt: Receipt) -> Receipt:
        """The receipt with the worker's life that it is about: another one's where this one was only asked."""
        grant = worker.on_their_way.get(receipt.id)
        if grant is not None and grant.attempt == receipt.attempt:
            del worker.on_their_way[receipt.id]
            return replace(receipt, worker_id=worker.worker_id)
        return replace(receipt, worker_id=self._asked.pop((receipt.id, receipt.attempt), worker.worker_id))

    async def _replace_the_dead(self) -> None:
        """A worker is dead when its socket closes or its heartbeat stops, unless this process itself slept."""
        now = monotonic()
        slept = now - self._looked > _OWN_GAP
        self._looked = now
        for worker in list(self._workers):
            if slept:
                worker.heard = now
            if self._is_dead(worker):
                await self._replace(worker)

    def _is_dead(self, worker: SpawnedWorker) -> bool:
        try:
            while beats := os.read(worker.pulse, 4096):
                worker.heard = monotonic()
                if len(beats) < 4096:
                    break
        except BlockingIOError:
            pass
        silent = monotonic() - worker.heard > (SILENT if worker.ready else _START)
        return worker.gone or silent or worker.process.poll() is not None

    async def _replace(self, worker: SpawnedWorker) -> None:
        assert self._host is not None
        why = "silent" if worker.process.poll() is None else f"ended ({worker.process.returncode})"
        log.warning("worker replaced", worker_id=worker.worker_id, because=why, on_their_way=len(worker.on_their_way))
        if not worker.ready:
            self._failed_starts += 1
        await self._fence(worker)
        self._host.recover(worker.worker_id)
        self._workers.remove(worker)
        if self._failed_starts >= _FAILED_STARTS:
            raise AutomationError(f"workers don't start ({why}); run: automation doctor")
        await self._spawn()

    async def _fence(self, worker: SpawnedWorker) -> None:
        """Kill the worker and read everything it sent."""
        worker.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(worker.process.wait)
        await self._close(worker)

    async def _ended(self, worker: SpawnedWorker) -> bool:
        try:
            await asyncio.to_thread(worker.process.wait, SILENT)
        except subprocess.TimeoutExpired:
            return False
        return worker.process.returncode == 0

    async def _close(self, worker: SpawnedWorker) -> None:
        if worker.process.poll() is None:
            worker.process.kill()
            await asyncio.to_thread(worker.process.wait)
        if worker.listening is not None:
            await worker.listening
        worker.writer.close()
        os.close(worker.pulse)

    # Work

    def _send(self, worker: SpawnedWorker, grants: Sequence[Grant], since: int) -> None:
        worker.on_their_way |= {grant.id: grant for grant in grants}
        self._show(worker, grants)
        worker.writer.write(encode_frame("group", pack_grants(grants), since))

    def _show(self, worker: SpawnedWorker, grants: Sequence[Grant]) -> None:
        """Send launches and the content of batches, once to each worker."""
        assert self._host is not None
        for grant in grants:
            if grant.launch_id not in worker.launches:
                worker.launches.add(grant.launch_id)
                pinned = self._host.pinned(grant.launch_id)
                files = {path: base64.b64encode(body).decode() for path, body in pinned.files.items()}
                worker.writer.write(encode_frame("launch", grant.launch_id, pinned.campaign, pinned.text, files))
            batch = (grant.run_id, grant.batch_no)
            if batch not in worker.batches:
                for old in find_unused_batches(worker.batches, worker.on_their_way.values()):
                    del worker.batches[old]
                    worker.writer.write(encode_frame("forget", *old))
                worker.batches[batch] = None
                content = self._host.content(*batch)
                worker.writer.write(encode_frame("batch", *batch, grant.launch_id, content))
