"""Lanes: the rates that messages share, and the queues that they wait in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.store.engine import table
from automation.store.tables import Lane

_lane = table(Lane)
_OF_A_QUEUE = 3


@dataclass
class LaneRow:
    """A rate's state. `per_second` is the pace now where it is slower than what the files allow. Times in µs."""

    name: str
    per_second: float | None = None
    next_at: int = 0
    held_until: int = 0
    changed_at: int = 0
    day: str = ""
    day_count: int = 0


def read(connection: Connection) -> dict[str, LaneRow]:
    """Every lane that has a state, by name."""
    names = (c.name for c in _lane.columns)
    return {row.name: LaneRow(*row) for row in connection.execute(sa.select(*(_lane.c[name] for name in names)))}


def write(connection: Connection, rows: Iterable[LaneRow]) -> None:
    found = [vars(row) for row in rows]
    if found:
        connection.execute(_SAVE, found)


_SAVE = sa.text(
    "INSERT INTO lane (name, per_second, next_at, held_until, changed_at, day, day_count) "
    "VALUES (:name, :per_second, :next_at, :held_until, :changed_at, :day, :day_count) "
    "ON CONFLICT (name) DO UPDATE SET per_second = excluded.per_second, next_at = excluded.next_at, "
    "held_until = excluded.held_until, changed_at = excluded.changed_at, day = excluded.day, "
    "day_count = excluded.day_count"
)


class Queue(NamedTuple):
    """Messages that wait together: of one channel, one run and, where many of it share it, one recipient domain."""

    channel: str
    run_id: int
    domain: str

    @property
    def name(self) -> str:
        return f"{self.channel}|{self.run_id}|{self.domain}"


def queue_of(lane: str) -> Queue | None:
    """What a message's lane says; None where it says something else."""
    parts = lane.split("|")
    if len(parts) == _OF_A_QUEUE and parts[1].isdecimal():
        return Queue(parts[0], int(parts[1]), parts[2])
    return None


def waiting(connection: Connection, now: int) -> list[tuple[str, int]]:
    """Every queue whose first message is due, with its due time, the longest due first.

    Jumps from queue to queue in the index: 5 µs each, however many messages wait in it.
    """
    found = connection.execute(_WAITING).all()
    return sorted(((lane, due) for lane, due in found if due <= now), key=lambda one: one[1])


def next_due(connection: Connection) -> Sequence[tuple[str, int]]:
    """Every queue with the due time of its first message."""
    return [(lane, due) for lane, due in connection.execute(_WAITING)]


_WAITING = sa.text(
    """
    WITH RECURSIVE q(lane) AS (
        SELECT min(lane) FROM message WHERE state = 'queued'
        UNION ALL
        SELECT (SELECT min(m.lane) FROM message m WHERE m.state = 'queued' AND m.lane > q.lane)
        FROM q WHERE q.lane IS NOT NULL
    )
    SELECT q.lane, (SELECT min(m.due_at) FROM message m WHERE m.state = 'queued' AND m.lane = q.lane)
    FROM q WHERE q.lane IS NOT NULL
    """
)

_DUE = """
    SELECT m.id, m.run_id, m.batch_no, m.customer_id, m.channel, m.topic, m.address, m.template, m.context, m.attempt,
           m.expires_at, m.due_at, m.granted_at, m.quiet_from, m.quiet_until, m.provider, m.lane, m.recipient,
           r.campaign, r.launch_id, d.variant, d.offer, d.items, k.code AS coupon, c.granted,
           EXISTS (SELECT 1 FROM message o
                   WHERE o.recipient = m.recipient AND o.run_id = m.run_id AND o.recipient <> ''
                     AND o.customer_id <> m.customer_id AND o.channel = m.channel
                     AND (o.state IN ('sending', 'sent', 'ambiguous') OR (o.state = 'queued' AND o.id < m.id))
           ) AS doubled
    FROM (SELECT * FROM message WHERE state = 'queued' AND lane = :lane AND due_at <= :now
          ORDER BY due_at LIMIT :want) m
    JOIN run r ON r.id = m.run_id
    JOIN decision d ON d.id = m.decision_id
    LEFT JOIN consent c ON c.customer_id = m.customer_id AND c.channel = m.channel AND c.topic = m.topic
    LEFT JOIN coupon k ON k.message_id = m.id
"""
_TAKE = sa.text(_DUE)


def take(connection: Connection, lane: str, *, now: int, want: int) -> Sequence[sa.Row[Any]]:
    """The first messages of a queue that are due, with everything that may forbid them."""
    return connection.execute(_TAKE, {"lane": lane, "now": now, "want": want}).all()
