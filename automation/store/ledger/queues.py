"""The queues in which messages wait: one for each channel, run and busy recipient domain."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from automation.clock import from_millis
from automation.store import pauses, runs
from automation.store.statements import Connection, execute

_NAME = re.compile(r"(.*?)\|(\d+)\|(.*)", re.DOTALL)


class Queue(NamedTuple):
    """Messages that wait together: of one channel, one run and, where many of them share it, one recipient domain."""

    channel: str
    run_id: int
    domain: str

    @property
    def name(self) -> str:
        return f"{self.channel}|{self.run_id}|{self.domain}"


def queue_of(name: str) -> Queue:
    """The queue of that name, as a message's row has it."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise ValueError(f"{name!r} is not the name of a queue")
    return Queue(parts[1], int(parts[2]), parts[3])


def first_due_times(connection: Connection) -> list[tuple[Queue, int]]:
    """Every queue with the due time (milliseconds) of its first message, the longest due first.

    Jumps from queue to queue in the index: 5 µs each, however many messages wait in it.
    """
    found = [(queue_of(name), due) for name, due in execute(connection, _FIRST_DUE)]
    return sorted(found, key=lambda one: one[1])


def next_due(connection: Connection) -> datetime | None:
    """When the earliest queued message is due, leaving out what is stopped or paused."""
    paused = pauses.paused_scopes(connection)
    if paused.everything:
        return None
    waiting = first_due_times(connection)
    campaigns = runs.campaigns_of(connection, {queue.run_id for queue, _ in waiting}) if paused.scopes else {}
    for queue, due in waiting:
        if not paused.include(campaign=campaigns.get(queue.run_id, ""), channel=queue.channel):
            return from_millis(due)
    return None


_FIRST_DUE = """
    WITH RECURSIVE q(queue) AS (
        SELECT min(queue) FROM message_status WHERE state = 'queued'
        UNION ALL
        SELECT (SELECT min(m.queue) FROM message_status m WHERE m.state = 'queued' AND m.queue > q.queue)
        FROM q WHERE q.queue IS NOT NULL
    )
    SELECT q.queue, (SELECT min(m.due_at) FROM message_status m WHERE m.state = 'queued' AND m.queue = q.queue)
    FROM q WHERE q.queue IS NOT NULL
    """
