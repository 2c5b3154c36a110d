"""The lives of delivering processes, and the epoch that fences whoever was before."""

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
from automation.store.tables import Fact, Flight, Message
from automation.types.message import MessageState

_flight, _message, _fact = table(Flight), table(Message), table(Fact)
_EPOCH = "epoch"


class Fenced(StoreError):
    """Another committer has taken over: this one may write no more."""


@dataclass(frozen=True)
class FlightRow:
    """A flight that has not ended in order."""

    id: int
    host: str
    boot_id: str
    pid: int
    pid_started: str


class OnItsWay(NamedTuple):
    """A message that a flight was granted."""

    id: str
    attempt: int
    channel: str


def begin_epoch(connection: Connection) -> int:
    """A committer takes over: what earlier ones still try to plan or grant is refused."""
    following = epoch(connection) + 1
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(_fact).values(key=_EPOCH, value=str(following))
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded.value}))
    return following


def epoch(connection: Connection) -> int:
    """The committer's that took over last."""
    return int(connection.execute(sa.select(_fact.c.value).where(_fact.c.key == _EPOCH)).scalar() or 0)


def take_off(
    connection: Connection, *, host: str, boot_id: str, pid: int, pid_started: str, epoch: int, now: datetime
) -> int:
    """Register a delivering process; returns its flight."""
    row = {"host": host, "boot_id": boot_id, "pid": pid, "pid_started": pid_started, "epoch": epoch}
    made = sa.insert(_flight).values(started_at=to_millis(now), **row).returning(_flight.c.id)
    return int(connection.execute(made).scalar_one())


def not_landed(connection: Connection) -> list[FlightRow]:
    """Flights that did not end in order, the oldest first."""
    columns = (_flight.c.id, _flight.c.host, _flight.c.boot_id, _flight.c.pid, _flight.c.pid_started)
    query = sa.select(*columns).where(_flight.c.ended_at.is_(None)).order_by(_flight.c.id)
    return [FlightRow(*row) for row in connection.execute(query)]


def on_their_way(connection: Connection, flight: int) -> list[OnItsWay]:
    """What the flight was granted and has not answered for."""
    columns = (_message.c.id, _message.c.attempt, _message.c.channel)
    query = sa.select(*columns).where(_message.c.state == MessageState.SENDING.value, _message.c.flight == flight)
    return [OnItsWay(*row) for row in connection.execute(query)]


def astray(connection: Connection) -> list[OnItsWay]:
    """What is `sending` though its flight has ended, or never was."""
    alive = sa.select(_flight.c.id).where(_flight.c.ended_at.is_(None))
    nobody = sa.or_(_message.c.flight.is_(None), _message.c.flight.not_in(alive))
    columns = (_message.c.id, _message.c.attempt, _message.c.channel)
    query = sa.select(*columns).where(_message.c.state == MessageState.SENDING.value, nobody)
    return [OnItsWay(*row) for row in connection.execute(query)]


def land(connection: Connection, flights: Iterable[int], *, now: datetime) -> None:
    """These flights have ended, and everything that they had is settled."""
    ids: Sequence[int] = list(flights)
    connection.execute(sa.update(_flight).where(_flight.c.id.in_(ids)).values(ended_at=to_millis(now)))
