"""The lives of delivering processes."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.tables import Flight, Message
from automation.types.message import MessageState

_flight, _message = table(Flight), table(Message)


def take_off(connection: Connection, *, host: str, boot_id: str, pid: int, now: datetime) -> int:
    """Register a delivering process; returns its flight. What an earlier one left `sending` becomes ambiguous."""
    at = to_millis(now)
    epoch = (connection.execute(sa.select(sa.func.max(_flight.c.epoch))).scalar() or 0) + 1
    left = sa.update(_message).where(_message.c.state == MessageState.SENDING.value)
    connection.execute(left.values(state=MessageState.AMBIGUOUS.value, settled_at=at, reason="the process died"))
    connection.execute(sa.update(_flight).where(_flight.c.ended_at.is_(None)).values(ended_at=at))
    row = {"host": host, "boot_id": boot_id, "pid": pid, "epoch": epoch, "started_at": at}
    return int(connection.execute(sa.insert(_flight).values(row).returning(_flight.c.id)).scalar_one())


def land(connection: Connection, flight: int, *, now: datetime) -> None:
    connection.execute(sa.update(_flight).where(_flight.c.id == flight).values(ended_at=to_millis(now)))
