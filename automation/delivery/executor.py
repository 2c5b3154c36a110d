"""The small interface between the committer and what delivers: in this process, or in spawned ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from automation.types.grant import Grant
from automation.types.message import Receipt

GROUP = 32
GROUPS_AT_ONCE = 8
"""On their way to one process. M: 2,570 messages/s with 4, 2,950 with 8, no more with 12: a commit takes in more."""
_BATCHES_KEPT = 32

Batch = tuple[int, int]


class Capacity(NamedTuple):
    """A worker and how many messages it can take more."""

    worker_id: int
    room: int


class LaunchedText(NamedTuple):
    """A launch as a process without the store needs it."""

    campaign: str
    text: str
    files: Mapping[str, bytes]


class ExecutorHost(Protocol):
    """What the committer does for an executor."""

    def register(self, pid: int) -> tuple[int, Path]:
        """Register a process; returns its worker and where its recorder is."""
        ...

    def recover(self, worker_id: int) -> None:
        """Settle what a dead process left on its way, by its recorder."""
        ...

    def pinned(self, launch_id: int) -> LaunchedText: ...

    def content(self, run_id: int, batch_no: int) -> Mapping[str, Mapping[str, object]]: ...


class Executor(Protocol):
    """Delivers grants. Each gets a receipt, or its worker is recovered; `receipts` gives those since the last call."""

    async def start(self, host: ExecutorHost) -> None: ...

    @property
    def capacity(self) -> Sequence[Capacity]:
        """Who can take messages now."""
        ...

    @property
    def busy(self) -> int:
        """How many messages are on their way."""
        ...

    def hand(self, grants: Sequence[Grant]) -> None:
        """Deliver these, each by its worker; their intents are committed."""
        ...

    def resolve(self, grants: Sequence[Grant]) -> None:
        """Ask the channels what became of these."""
        ...

    def receipts(self) -> list[Receipt]: ...

    async def wait(self, seconds: float) -> None:
        """Until something came, or for so long."""
        ...

    async def shut_down(self) -> list[int]:
        """Wait for what is on its way and end; returns the workers that ended in order."""
        ...


def unused(batches: Collection[Batch], on_their_way: Iterable[Grant]) -> list[Batch]:
    """The batches to forget, once many are kept: those that no message on its way belongs to."""
    if len(batches) < _BATCHES_KEPT:
        return []
    used = {(grant.run_id, grant.batch_no) for grant in on_their_way}
    return [batch for batch in batches if batch not in used]
