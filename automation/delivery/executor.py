"""The interface between the committer and its executors: in this process, or in spawned workers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from automation.types.grant import Grant
from automation.types.message import Receipt

GROUP = 32
GROUPS_AT_ONCE = 8
"""Groups on their way to one worker. Measured: 2,570 messages/s with 4, 2,950 with 8, no more with 12."""
_BATCHES_KEPT = 32

Batch = tuple[int, int]


class LaunchedText(NamedTuple):
    """A launch, for workers without access to the store."""

    campaign: str
    text: str
    files: Mapping[str, bytes]


class ExecutorHost(Protocol):
    """What the committer does for an executor."""

    def register(self, pid: int) -> tuple[int, Path]:
        """Register a process; returns its worker id and the path of its recorder."""
        ...

    def recover(self, worker_id: int) -> None:
        """Settle a dead worker's messages by its recorder."""
        ...

    def pinned(self, launch_id: int) -> LaunchedText: ...

    def content(self, run_id: int, batch_no: int) -> Mapping[str, Mapping[str, object]]: ...


class Executor(Protocol):
    """Delivers grants. Each gets a receipt, or its worker is recovered; `receipts` gives those since the last call."""

    async def start(self, host: ExecutorHost) -> None: ...

    @property
    def ready(self) -> Sequence[int]:
        """The workers that can take messages now, by id."""
        ...

    @property
    def alive(self) -> Sequence[int]:
        """Every worker whose messages are not settled otherwise."""
        ...

    @property
    def busy(self) -> int:
        """How many messages are on their way."""
        ...

    def hand(self, grants: Sequence[Grant], since: int) -> None:
        """Deliver these, each by its worker; their grants are committed.

        since: the end of the revocation log before they were granted.
        """
        ...

    def resolve(self, grants: Sequence[Grant]) -> None:
        """Ask the channels about these ambiguous messages."""
        ...

    def receipts(self) -> list[Receipt]: ...

    async def wait(self, seconds: float) -> None:
        """Wait until a receipt arrives, at most so long."""
        ...

    async def shut_down(self, grace: float) -> list[int]:
        """Wait for everything on its way, at most `grace` seconds, then end; returns the workers that ended in order.

        Messages that were handed over and have no answer by then are ambiguous, the others are queued again.
        """
        ...


@dataclass
class Arrivals:
    """The receipts that arrived and were not taken yet, and a way to wait for the next."""

    _receipts: list[Receipt] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, receipts: Iterable[Receipt]) -> None:
        self._receipts += receipts
        self._came.set()

    def wake(self) -> None:
        """End the waiting without a receipt."""
        self._came.set()

    def take(self) -> list[Receipt]:
        """Those since the last call."""
        found, self._receipts = self._receipts, []
        self._came.clear()
        return found

    async def wait(self, seconds: float) -> None:
        """Until one arrives after the last `take`, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            pass

    async def wait_for_next(self, seconds: float) -> None:
        """Until one arrives from now on, at most so long; those that arrived before stay."""
        self._came.clear()
        await self.wait(seconds)


def find_unused_batches(batches: Collection[Batch], on_their_way: Iterable[Grant]) -> list[Batch]:
    """The batches to forget once many are kept: those without a message on its way."""
    if len(batches) < _BATCHES_KEPT:
        return []
    used = {(grant.run_id, grant.batch_no) for grant in on_their_way}
    return [batch for batch in batches if batch not in used]
