"""Ambiguous messages: what their campaign wants to happen, and what a person found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.errors import StoreError
from automation.store.engine import table
from automation.store.ledger import coupons
from automation.store.tables import Launch, Message, MessageStatus, Run
from automation.types.message import MessageState

_message, _status, _run, _launch = table(Message), table(MessageStatus), table(Run), table(Launch)

_AT_ONCE = 5_000


@dataclass(frozen=True)
class Ambiguous:
    """A message that may have arrived; it is not sent again."""

    id: str
    run_id: int
    customer_id: str
    channel: str
    granted_at: datetime | None
    reason: str


def requeue_for_resend(connection: Connection, messages: Sequence[str], *, now: datetime) -> None:
    """Queue the ones of these ambiguous messages again whose campaign says `on_ambiguous: resend`."""
    wanted = (
        sa.select(_status.c.message_id)
        .join(_run, _run.c.id == _status.c.run_id)
        .join(_launch, _launch.c.id == _run.c.launch_id)
        .where(_status.c.message_id.in_(messages), _launch.c.on_ambiguous == "resend")
    )
    again = sa.update(_status).where(_status.c.message_id.in_(wanted), _status.c.state == MessageState.AMBIGUOUS.value)
    connection.execute(again.values(state=MessageState.QUEUED.value, due_at=to_millis(now)))


def find_resolvable(connection: Connection, *, before: datetime, limit: int) -> list[str]:
    """Messages ambiguous since before then whose campaign says `on_ambiguous: resolve`.

    Those that this store never granted are left out: they are ambiguous since a restore, and can't be rendered as sent.
    """
    query = (
        sa.select(_status.c.message_id)
        .join(_run, _run.c.id == _status.c.run_id)
        .join(_launch, _launch.c.id == _run.c.launch_id)
        .where(_status.c.state == MessageState.AMBIGUOUS.value, _status.c.settled_at < to_millis(before))
        .where(_status.c.granted_at.is_not(None))
        .where(_launch.c.on_ambiguous == "resolve")
        .order_by(_status.c.settled_at)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def find_in_run(connection: Connection, run_id: int, *, limit: int = 1_000) -> list[Ambiguous]:
    """A run's ambiguous messages."""
    query = (
        sa.select(*(_message.c[name] for name in ("id", "run_id", "customer_id", "channel")))
        .add_columns(_status.c.granted_at, _status.c.reason)
        .join(_status, _status.c.message_id == _message.c.id)
        .where(_status.c.run_id == run_id, _status.c.state == MessageState.AMBIGUOUS.value)
        .order_by(_status.c.granted_at, _message.c.id)
        .limit(limit)
    )
    return [
        Ambiguous(row.id, row.run_id, row.customer_id, row.channel, _instant(row.granted_at), row.reason or "")
        for row in connection.execute(query)
    ]


def settle_by_hand(connection: Connection, message: str, *, sent: bool, by: str, now: datetime) -> None:
    """Settle a message in a person's name: sent, or queued again. Raises `StoreError` if it is not ambiguous."""
    query = sa.select(_status.c.state).where(_status.c.message_id == message)
    state = connection.execute(query).scalar()
    if state != MessageState.AMBIGUOUS.value:
        what = "is not in the store" if state is None else f"is {state}: nothing about it is ambiguous"
        raise StoreError(f"message {message!r} {what}")
    _settle(connection, [message], sent=sent, by=by, now=now)


def settle_run_by_hand(connection: Connection, run_id: int, *, sent: bool, by: str, now: datetime) -> int:
    """Settle every ambiguous message of a run in a person's name; returns how many."""
    query = sa.select(_status.c.message_id).where(
        _status.c.run_id == run_id, _status.c.state == MessageState.AMBIGUOUS.value
    )
    found = list(connection.execute(query).scalars())
    for start in range(0, len(found), _AT_ONCE):
        _settle(connection, found[start : start + _AT_ONCE], sent=sent, by=by, now=now)
    return len(found)


def _settle(connection: Connection, messages: Sequence[str], *, sent: bool, by: str, now: datetime) -> None:
    at = to_millis(now)
    known = {"state": MessageState.SENT.value, "settled_at": at, "reason": f"{by} said that it arrived"}
    again = {"state": MessageState.QUEUED.value, "due_at": at, "reason": f"{by} said that it never arrived"}
    connection.execute(sa.update(_status).where(_status.c.message_id.in_(messages)).values(known if sent else again))
    if sent:
        coupons.settle(connection, messages, "confirmed")


def _instant(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)
