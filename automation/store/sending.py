"""What became of messages on their way: results settle them, and what they held is confirmed or given back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.ids import content_hash
from automation.store import coupons
from automation.store.engine import table
from automation.store.tables import Contact, Message
from automation.types.message import MessageState, Receipt, Verdict

_message, _contact = table(Message), table(Contact)

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)


def settle(connection: Connection, results: Sequence[Receipt], *, now: datetime) -> None:
    """Accept results by (message, attempt), while the message is still sending or ambiguous."""
    states: dict[MessageState, list[Receipt]] = {}
    for result in results:
        states.setdefault(_settled_state(result), []).append(result)
    for state, receipts in states.items():
        values: dict[str, object] = {
            "state": state.value,
            "settled_at": to_millis(now),
            "provider_id": sa.bindparam("p"),
            "reason": sa.bindparam("r"),
        }
        if state is MessageState.QUEUED:
            values |= {"due_at": sa.bindparam("d"), "attempt": _message.c.attempt - sa.bindparam("u")}
        changed = (
            sa.update(_message)
            .where(
                _message.c.id == sa.bindparam("i"),
                _message.c.attempt == sa.bindparam("a"),
                sa.or_(
                    _message.c.state == MessageState.SENDING.value, _message.c.state == MessageState.AMBIGUOUS.value
                ),
            )
            .values(values)
        )
        rows = [
            {"i": r.id, "a": r.attempt, "p": r.provider_id or None, "r": r.detail or None}
            | (_again(r, now) if state is MessageState.QUEUED else {})
            for r in receipts
        ]
        connection.execute(changed, rows)
        if state is MessageState.SENT:
            coupons.settle(connection, [r.id for r in receipts], "confirmed")
        elif state is MessageState.FAILED:
            release(connection, [r.id for r in receipts])


def _settled_state(result: Receipt) -> MessageState:
    if result.verdict is Verdict.RETRY:
        return MessageState.FAILED if result.attempt >= MAX_ATTEMPTS else MessageState.QUEUED
    return {
        Verdict.RETURNED: MessageState.QUEUED,
        Verdict.SENT: MessageState.SENT,
        Verdict.FAILED: MessageState.FAILED,
        Verdict.AMBIGUOUS: MessageState.AMBIGUOUS,
    }[result.verdict]


def _again(result: Receipt, now: datetime) -> dict[str, int]:
    """When the next attempt is due, and by how much the count goes back."""
    return {"d": to_millis(now + backoff(result)), "u": int(result.verdict is Verdict.RETURNED)}


def backoff(result: Receipt) -> timedelta:
    """How long to wait before the next attempt: doubling, with a jitter that is the message's own.

    What the provider asked for is kept to. What was returned says nothing about the message, and so doesn't double.
    """
    jitter = 0.5 + int(content_hash(result.id, str(result.attempt))[:8], 16) / 2**32
    doublings = 0 if result.verdict is Verdict.RETURNED else result.attempt - 1
    doubled: timedelta = min(FIRST_RETRY * 2**doublings, LONGEST_RETRY)
    return max(doubled * jitter, result.retry_after or timedelta(0))


def release(connection: Connection, ids: Sequence[str]) -> None:
    """Give back what messages that will never arrive held: coupons and the place under a cap."""
    coupons.settle(connection, ids, "released")
    connection.execute(sa.delete(_contact).where(_contact.c.message_id.in_(ids)))


def hand_back(connection: Connection, grants: Sequence[tuple[str, int]]) -> None:
    """Grants that were never handed to a channel return to the queue without counting the attempt."""
    changed = (
        sa.update(_message)
        .where(
            _message.c.id == sa.bindparam("i"),
            _message.c.attempt == sa.bindparam("a"),
            _message.c.state == MessageState.SENDING.value,
        )
        .values(state=MessageState.QUEUED.value, attempt=_message.c.attempt - 1, flight=None)
    )
    if grants:
        connection.execute(changed, [{"i": identity, "a": attempt} for identity, attempt in grants])


def next_due(connection: Connection) -> datetime | None:
    """When the earliest queued message of a campaign that isn't stopped is due."""
    query = sa.text(
        "SELECT min(m.due_at) FROM message m JOIN run r ON r.id = m.run_id WHERE m.state = 'queued' "
        "AND NOT EXISTS (SELECT 1 FROM control x WHERE x.scope IN ('*', r.campaign))"
    )
    millis = connection.execute(query).scalar()
    return None if millis is None else from_millis(millis)
