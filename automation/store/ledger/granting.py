"""How messages may leave the ledger: by ticks of one committer.

A tick commits the results of the last group and the intents of the next. A message is granted only in the commit that
makes it `sending`, after everything that may forbid it was looked at once more; nothing is handed to a channel before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.errors import StoreError
from automation.store import pauses, runs
from automation.store.engine import execute_rows, table
from automation.store.ledger import queues, workers
from automation.store.ledger.queues import Queue
from automation.store.ledger.settling import Result, release, settle
from automation.store.people.suppressions import forbidden as forbidden_addresses
from automation.store.tables import Message
from automation.types.grant import Grant
from automation.types.message import MessageState

__all__ = ["Grant", "Limits", "Refuse", "Tick", "grant_of", "tick"]

log = structlog.get_logger(__name__)
_message = table(Message)

LOOK_AGAIN = timedelta(minutes=1)
GROUP = 32
_DAY = 86_400_000
_QUEUES_A_TICK = 64

Refuse = Callable[[Sequence[Grant]], Mapping[str, str]]
"""Asks the suppression plugins: message id → reason code of those that must not leave. An error is nobody's yes."""


Spacing = Callable[[Connection, Sequence[Grant]], Mapping[str, int]]
"""Puts off, in the same transaction, what would reach a person too soon after another: message id → milliseconds."""


class Limits(Protocol):
    """The rates that the messages of a tick share."""

    def room(self, connection: Connection, queue: Queue) -> int:
        """How many messages of the queue may leave now."""
        ...

    def slot(self, grant: Grant) -> Grant | int | None:
        """The grant with its provider and time slot. Where there is none now: the millisecond to which it is put off,
        or None, and it keeps its place in the queue."""
        ...


class NoLimits:
    """No rate at all."""

    def room(self, connection: Connection, queue: Queue) -> int:
        return 1_000_000

    def slot(self, grant: Grant) -> Grant | int | None:
        return grant


@dataclass(frozen=True)
class Tick:
    """What one commit did: the messages that may leave, and how many were settled without leaving.

    `held`: messages are due that only wait for their time slots.
    """

    grants: Sequence[Grant]
    refused: int
    held: bool = False


@dataclass
class _Found:
    rows: list[sa.Row[Any]] = field(default_factory=list)
    held: bool = False


def tick(
    connection: Connection,
    *,
    results: Sequence[Result],
    capacity: Sequence[tuple[int, int]],
    now: datetime,
    marketing: Iterable[str],
    refuse: Refuse = lambda grants: {},
    limits: Limits | None = None,
    spacing: Spacing = lambda connection, grants: {},
    epoch: int | None = None,
) -> Tick:
    """Take the last group's results and grant the next group's intents; the caller commits, then sends.

    capacity: workers, and how many messages each can take. `refuse` may forbid some of them. If it raises, none of the
    group leaves and all are looked at again in a minute. `spacing` puts off what would follow too soon. Raises `Fenced`
    where another committer has taken over.
    """
    if epoch is not None and workers.epoch(connection) != epoch:
        raise workers.Fenced("another committer has taken over this store")
    settle(connection, results, now=now)
    want, limits = sum(room for _, room in capacity), limits or NoLimits()
    if want <= 0:
        return Tick((), 0)
    at = to_millis(now)
    found = _due(connection, at, want, limits)
    rows = found.rows
    if not rows:
        return Tick((), 0, found.held)
    closed = forbidden_addresses(connection, rows)
    asks, granted_at = set(marketing), from_millis(at)
    standing = {row.id: _standing(row, at, asks, closed.get(row.id)) for row in rows}
    asked = [_as_grant(row, row.attempt + 1, granted_at) for row in rows if standing[row.id] is None]
    too_soon = spacing(connection, asked)
    asked = [grant for grant in asked if grant.id not in too_soon]
    try:
        forbidden = refuse(asked) if asked else {}
    except Exception:
        log.exception("suppressions could not be asked; nobody of the group is sent", messages=len(asked))
        _put_off(connection, {grant.id: to_millis(now + LOOK_AGAIN) for grant in asked})
        asked, forbidden = [], {}
    standing |= {message: (MessageState.SUPPRESSED, code) for message, code in forbidden.items()}
    _put_off(connection, {row.id: _quiet_until(row, at) for row in rows if standing[row.id] == _QUIET})
    _settle_refused(connection, standing, at)
    allowed = [grant for grant in asked if grant.id not in forbidden]
    slots = [(grant, limits.slot(grant)) for grant in allowed]
    _put_off(connection, {grant.id: again for grant, again in slots if isinstance(again, int)})
    grants = spread_over_workers([slot for _, slot in slots if isinstance(slot, Grant)], capacity)
    _begin(connection, grants, at)
    return Tick(grants, len(rows) - len(allowed), found.held or len(grants) < len(allowed))


def _due(connection: Connection, at: int, want: int, limits: Limits) -> _Found:
    """Due messages, a fair share from each queue that may send, the one that waits longest first."""
    paused = pauses.paused_scopes(connection)
    found = _Found()
    waiting = [queue for queue, due in queues.first_due(connection) if due <= at]
    campaigns = runs.campaigns_of(connection, {queue.run_id for queue in waiting}) if paused.scopes else {}
    for number, queue in enumerate(waiting[:_QUEUES_A_TICK]):
        room = limits.room(connection, queue)
        share = -(-(want - len(found.rows)) // max(1, min(len(waiting), _QUEUES_A_TICK) - number))
        if paused.include(campaign=campaigns.get(queue.run_id, ""), channel=queue.channel):
            continue
        if room <= 0:
            found.held = True
            continue
        found.rows += queues.take(connection, queue.name, now=at, want=min(share, room))
    return found


def spread_over_workers(grants: Sequence[Grant], capacity: Sequence[tuple[int, int]]) -> list[Grant]:
    """Each grant with its worker_id: whole groups where there are many, evenly spread where there are few."""
    size = GROUP if len(grants) >= GROUP * len(capacity) else max(1, -(-len(grants) // len(capacity)))
    room = dict(capacity)
    placed: list[Grant] = []
    while len(placed) < len(grants):
        worker_id = max(room, key=lambda one: room[one])
        count = min(size, room[worker_id])
        placed += [g._replace(worker_id=worker_id) for g in grants[len(placed) : len(placed) + count]]
        room[worker_id] -= count
    return placed


_QUIET = (MessageState.QUEUED, "quiet_hours")


def _standing(row: sa.Row[Any], at: int, marketing: set[str], closed: str | None) -> tuple[MessageState, str] | None:
    """What forbids the message now, and the state that it gets; None where nothing does."""
    if row.expires_at is not None and row.expires_at <= at:
        return MessageState.EXPIRED, "late"
    if not _may(row, marketing):
        return MessageState.SUPPRESSED, "no_consent" if row.granted is None else "consent_withdrawn"
    if closed is not None:
        return MessageState.SUPPRESSED, closed
    if row.doubled:
        return MessageState.SUPPRESSED, "duplicate_address"
    return _QUIET if _quiet_until(row, at) > at else None


def _may(row: sa.Row[Any], marketing: set[str]) -> bool:
    return bool(row.granted) if row.topic in marketing else row.granted is not False and row.granted != 0


def _quiet_until(row: sa.Row[Any], at: int) -> int:
    """The end of the quiet hours that this instant falls into, on any day; else the instant itself."""
    if row.quiet_from is None or at < row.quiet_from:
        return at
    into, length = (at - row.quiet_from) % _DAY, row.quiet_until - row.quiet_from
    return at - into + length if into < length else at


def _put_off(connection: Connection, until: Mapping[str, int]) -> None:
    later = [(at, message) for message, at in until.items()]
    execute_rows(connection, "UPDATE message SET due_at = ? WHERE id = ?", later)


def _settle_refused(connection: Connection, standing: Mapping[str, tuple[MessageState, str] | None], at: int) -> None:
    for state, reason in {found for found in standing.values() if found not in (None, _QUIET)}:
        ids = [message for message, found in standing.items() if found == (state, reason)]
        values = {"state": state.value, "reason": reason, "settled_at": at}
        connection.execute(sa.update(_message).where(_message.c.id.in_(ids)).values(values))
        release(connection, ids)


def _begin(connection: Connection, grants: Sequence[Grant], at: int) -> None:
    execute_rows(connection, _BEGIN, [(grant.worker_id, grant.provider, at, grant.id) for grant in grants])


_BEGIN = (
    "UPDATE message SET state = 'sending', attempt = attempt + 1, worker_id = ?, provider = ?, granted_at = ? "
    "WHERE id = ?"
)


def grant_of(connection: Connection, message: str) -> Grant:
    """The last grant that a message had, for rendering it again. Raises `StoreError`."""
    row = connection.execute(_ONE, {"id": message}).one_or_none()
    if row is None or row.granted_at is None:
        raise StoreError(f"message {message!r} " + ("is not in the store" if row is None else "was never sent"))
    return _as_grant(row, row.attempt, from_millis(row.granted_at))


def _as_grant(row: sa.Row[Any], attempt: int, granted_at: datetime) -> Grant:
    return Grant(
        row.id, attempt, row.run_id, row.batch_no, row.campaign, row.launch_id, row.customer_id, row.step, row.visit,
        row.channel, row.topic,
        row.address, row.template, row.context, row.variant, row.offer, row.items, row.coupon,
        from_millis(row.due_at), granted_at, row.provider,
    )  # fmt: skip


_COLUMNS = """
    SELECT m.id, m.run_id, m.batch_no, m.customer_id, m.channel, m.topic, m.address, m.template, m.context, m.attempt,
           m.expires_at, m.due_at, m.granted_at, m.quiet_from, m.quiet_until, m.provider,
           r.campaign, r.launch_id, d.step, d.visit, d.variant, d.offer, d.items, k.code AS coupon
"""
_ONE = sa.text(
    _COLUMNS
    + """
    FROM message m JOIN run r ON r.id = m.run_id JOIN decision d ON d.id = m.decision_id
    LEFT JOIN coupon k ON k.message_id = m.id
    WHERE m.id = :id
    """
)
