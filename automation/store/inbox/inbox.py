"""Events on their way to the warehouse: one durable insert here, then a numbered flush.

A flush has a number and its exact rows; the Delta commit carries that number. After a restart the number is looked up
in the Delta log before anything is repeated, and a flush deletes only its own rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

import sqlalchemy as sa
from pydantic import JsonValue
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.engine import table
from automation.store.tables import Flush, Inbox
from automation.types.text import is_storable, storable, storable_values

_inbox, _flush = table(Inbox), table(Flush)
KEEP = timedelta(days=7)


class InboxEvent(NamedTuple):
    """One event. `occurred_at` is kept to the millisecond; `fields` are its other columns and its attributes."""

    event_id: str
    customer_id: str
    type: str
    occurred_at: datetime
    message_id: str | None = None
    fields: Mapping[str, JsonValue] = MappingProxyType({})


def add_events(connection: Connection, events: Sequence[InboxEvent], *, now: datetime) -> int:
    """Store events, each `event_id` once; returns how many were new. Texts lose NUL and lone surrogates."""
    at = to_millis(now)
    rows = [(*map(storable, (e.event_id, e.customer_id, e.type)), *_rest(e), at) for e in events]
    if not rows:
        return 0
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    statement = (
        "INSERT INTO inbox (event_id, customer_id, type, occurred_at, message_id, fields, received_at) "  # noqa: S608
        f"VALUES ({', '.join([mark] * 7)}) ON CONFLICT (event_id) DO NOTHING"
    )
    return connection.exec_driver_sql(statement, rows).rowcount


def _rest(event: InboxEvent) -> tuple[int, str | None, str]:
    message = None if event.message_id is None else storable(event.message_id)
    return to_millis(event.occurred_at), message, _json(event.fields)


def has_waiting(connection: Connection) -> bool:
    """Whether an event waits for a flush, or for the end of one."""
    waiting = sa.select(_inbox.c.id).where(_inbox.c.flush.is_(None)).limit(1)
    unfinished = sa.select(_flush.c.no).where(_flush.c.finished_at.is_(None)).limit(1)
    return any(connection.execute(query).scalar() is not None for query in (waiting, unfinished))


def begin_flush(connection: Connection, *, now: datetime, limit: int = 100_000) -> int | None:
    """Number the waiting rows; returns an unfinished flush first, and None when nothing waits."""
    unfinished = connection.execute(sa.select(sa.func.min(_flush.c.no)).where(_flush.c.finished_at.is_(None))).scalar()
    if unfinished is not None:
        return int(unfinished)
    waiting = sa.select(_inbox.c.id).where(_inbox.c.flush.is_(None)).order_by(_inbox.c.id).limit(limit)
    if connection.execute(waiting.limit(1)).scalar() is None:
        return None
    no = connection.execute(sa.insert(_flush).values(started_at=to_millis(now)).returning(_flush.c.no)).scalar_one()
    connection.execute(sa.update(_inbox).where(_inbox.c.id.in_(waiting)).values(flush=no))
    return int(no)


def read_flush(connection: Connection, flush: int) -> list[InboxEvent]:
    """The events of a flush, in the order in which they came."""
    return _read(connection, _inbox.c.flush == flush)


def read_events(connection: Connection) -> list[InboxEvent]:
    """Every event that is still here, in the order in which they came."""
    return _read(connection, sa.true())


def find_type(connection: Connection, event_id: str) -> str | None:
    """The type of the event of this id; None if it is no longer here."""
    return connection.execute(sa.select(_inbox.c.type).where(_inbox.c.event_id == event_id)).scalar()


def find_row_type(connection: Connection, row: int) -> str | None:
    """The type of the event in this row; None if it is no longer here."""
    return connection.execute(sa.select(_inbox.c.type).where(_inbox.c.id == row)).scalar()


def finish_flush(connection: Connection, flush: int, *, now: datetime) -> None:
    """Mark a flush as done; deletes the rows that were flushed more than a week ago."""
    connection.execute(sa.update(_flush).where(_flush.c.no == flush).values(finished_at=to_millis(now)))
    old = sa.select(_flush.c.no).where(_flush.c.finished_at < to_millis(now - KEEP))
    connection.execute(sa.delete(_inbox).where(_inbox.c.flush.in_(old)))


def last_finished_flush(connection: Connection, *, now: datetime) -> int:
    """The number of the last flush that is done and whose rows are still here; 0 if there is none."""
    kept = _flush.c.finished_at >= to_millis(now - KEEP)
    return int(connection.execute(sa.select(sa.func.max(_flush.c.no)).where(kept)).scalar() or 0)


def reopen_flushes(connection: Connection, *, after: int) -> int:
    """Let the rows of all flushes after that number wait again, under a new number; returns how many rows."""
    done = sa.update(_flush).where(_flush.c.no > after, _flush.c.finished_at.is_not(None))
    connection.execute(done.values(finished_at=0))  # none of its rows is here any more
    return connection.execute(sa.update(_inbox).where(_inbox.c.flush > after).values(flush=None)).rowcount


_COLUMNS = [_inbox.c[name] for name in ("event_id", "customer_id", "type", "occurred_at", "message_id", "fields")]


def _read(connection: Connection, where: sa.ColumnElement[bool]) -> list[InboxEvent]:
    query = sa.select(*_COLUMNS).where(where).order_by(_inbox.c.id)
    return [
        InboxEvent(event_id, customer_id, type_, from_millis(at), message_id, json.loads(fields))
        for event_id, customer_id, type_, at, message_id, fields in connection.execute(query)
    ]


def _json(fields: Mapping[str, JsonValue]) -> str:
    text = json.dumps(dict(fields), ensure_ascii=False) if fields else "{}"
    if is_storable(text) and "\\u0000" not in text:
        return text
    return json.dumps(storable_values(dict(fields)), ensure_ascii=False)
