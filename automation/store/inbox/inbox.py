"""Events on their way to the warehouse: one durable insert here, then a numbered flush.

A flush has a number and its exact rows; the Delta commit carries that number. On a restart the number is looked up
in the Delta log before anything is repeated, and only the flush's own rows are ever deleted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from pydantic import JsonValue
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.tables import Flush, Inbox

_inbox, _flush = table(Inbox), table(Flush)
KEEP = timedelta(days=7)


def take(connection: Connection, events: Sequence[Mapping[str, JsonValue]], *, now: datetime) -> int:
    """Accept events (each with `event_id`); returns how many were new."""
    at = to_millis(now)
    rows = [(event["event_id"], json.dumps(dict(event), ensure_ascii=False), at) for event in events]
    if not rows:
        return 0
    place = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    statement = (
        f"INSERT INTO inbox (event_id, body, received_at) VALUES ({place}, {place}, {place}) "  # noqa: S608
        "ON CONFLICT (event_id) DO NOTHING"
    )
    return connection.exec_driver_sql(statement, rows).rowcount


def begin_flush(connection: Connection, *, now: datetime, limit: int = 100_000) -> int | None:
    """Number the rows that wait; returns an unfinished flush first, and None when nothing waits."""
    unfinished = connection.execute(sa.select(sa.func.min(_flush.c.no)).where(_flush.c.finished_at.is_(None))).scalar()
    if unfinished is not None:
        return int(unfinished)
    waiting = sa.select(_inbox.c.id).where(_inbox.c.flush.is_(None)).order_by(_inbox.c.id).limit(limit)
    if connection.execute(waiting.limit(1)).scalar() is None:
        return None
    no = connection.execute(sa.insert(_flush).values(started_at=to_millis(now)).returning(_flush.c.no)).scalar_one()
    connection.execute(sa.update(_inbox).where(_inbox.c.id.in_(waiting)).values(flush=no))
    return int(no)


def rows_of(connection: Connection, flush: int) -> list[dict[str, JsonValue]]:
    query = sa.select(_inbox.c.body).where(_inbox.c.flush == flush).order_by(_inbox.c.id)
    return [json.loads(body) for body in connection.execute(query).scalars()]


def finish_flush(connection: Connection, flush: int, *, now: datetime) -> None:
    """The warehouse has it; rows flushed more than a week ago go."""
    connection.execute(sa.update(_flush).where(_flush.c.no == flush).values(finished_at=to_millis(now)))
    old = sa.select(_flush.c.no).where(_flush.c.finished_at < to_millis(now - KEEP))
    connection.execute(sa.delete(_inbox).where(_inbox.c.flush.in_(old)))
