"""The delivering processes, and the epoch that fences an earlier committer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.errors import StoreError
from automation.store.engine import table
from automation.store.tables import Fact, Message, MessageStatus, Worker
from automation.types.message import MessageState

_worker, _message, _status, _fact = table(Worker), table(Message), table(MessageStatus), table(Fact)
_EPOCH = "epoch"


class Fenced(StoreError):
    """Another committer has taken over; this one must stop writing."""


@dataclass(frozen=True)
class WorkerRow:
    """A worker that did not end in order."""

    id: int
    host: str
    boot_id: str
    pid: int
    pid_started: str


class GrantedMessage(NamedTuple):
    """A message that a worker was granted."""

    id: str
    attempt: int
    channel: str
    worker_id: int


def begin_epoch(connection: Connection) -> int:
    """Take over as committer: earlier ones can grant nothing more; returns the new epoch."""
    following = current_epoch(connection) + 1
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(_fact).values(key=_EPOCH, value=str(following))
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded.value}))
    return following


def current_epoch(connection: Connection) -> int:
    """The epoch of the committer that took over last."""
    return int(connection.execute(sa.select(_fact.c.value).where(_fact.c.key == _EPOCH)).scalar() or 0)


def register_worker(
    connection: Connection, *, host: str, boot_id: str, pid: int, pid_started: str, epoch: int, now: datetime
) -> int:
    """Register a delivering process; returns its worker."""
    row = {"host": host, "boot_id": boot_id, "pid": pid, "pid_started": pid_started, "epoch": epoch}
    made = sa.insert(_worker).values(started_at=to_millis(now), **row).returning(_worker.c.id)
    return int(connection.execute(made).scalar_one())


def unfinished_workers(connection: Connection) -> list[WorkerRow]:
    """Workers that did not end in order, the oldest first."""
    columns = (_worker.c.id, _worker.c.host, _worker.c.boot_id, _worker.c.pid, _worker.c.pid_started)
    query = sa.select(*columns).where(_worker.c.ended_at.is_(None)).order_by(_worker.c.id)
    return [WorkerRow(*row) for row in connection.execute(query)]


def granted_messages(connection: Connection, worker_id: int) -> list[GrantedMessage]:
    """The worker's granted messages without a result."""
    return _granted(connection, _status.c.worker_id == worker_id)


def orphaned_messages(connection: Connection) -> list[GrantedMessage]:
    """Messages that are `sending` though their worker has ended or is unknown."""
    alive = sa.select(_worker.c.id).where(_worker.c.ended_at.is_(None))
    return _granted(connection, sa.or_(_status.c.worker_id.is_(None), _status.c.worker_id.not_in(alive)))


def _granted(connection: Connection, to: sa.ColumnElement[bool]) -> list[GrantedMessage]:
    query = (
        sa.select(_status.c.message_id, _status.c.attempt, _message.c.channel, sa.func.coalesce(_status.c.worker_id, 0))
        .join(_message, _message.c.id == _status.c.message_id)
        .where(_status.c.state == MessageState.SENDING.value, to)
    )
    return [GrantedMessage(*row) for row in connection.execute(query)]


def end_workers(connection: Connection, workers: Iterable[int], *, now: datetime) -> None:
    """Record that these workers ended and all their messages are settled."""
    ids: Sequence[int] = list(workers)
    connection.execute(sa.update(_worker).where(_worker.c.id.in_(ids)).values(ended_at=to_millis(now)))
