"""Ambiguous messages: what their campaign wants to happen, and what a person found out."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from automation.clock import from_millis, to_millis
from automation.errors import StoreError
from automation.store.ledger import coupons
from automation.store.statements import Connection, execute, places, read_column, read_value
from automation.types.message import MessageState

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
    execute(
        connection,
        f"""
        UPDATE message_status SET state = 'queued', due_at = ?
        WHERE state = 'ambiguous' AND message_id IN (
            SELECT s.message_id
            FROM message_status s JOIN run r ON r.id = s.run_id JOIN launch l ON l.id = r.launch_id
            WHERE l.on_ambiguous = 'resend' AND s.message_id IN ({places(messages)}))
        """,
        to_millis(now),
        *messages,
    )


def find_resolvable(connection: Connection, *, before: datetime, limit: int) -> list[str]:
    """Messages ambiguous since before then whose campaign says `on_ambiguous: resolve`.

    Those that this store never granted are left out: they are ambiguous since a restore, and can't be rendered as sent.
    """
    query = """
        SELECT s.message_id
        FROM message_status s JOIN run r ON r.id = s.run_id JOIN launch l ON l.id = r.launch_id
        WHERE s.state = 'ambiguous' AND s.settled_at < ? AND s.granted_at IS NOT NULL AND l.on_ambiguous = 'resolve'
        ORDER BY s.settled_at
        LIMIT ?
        """
    return read_column(connection, query, to_millis(before), limit)


def find_in_run(connection: Connection, run_id: int, *, limit: int = 1_000) -> list[Ambiguous]:
    """A run's ambiguous messages."""
    query = """
        SELECT m.id, m.run_id, m.customer_id, m.channel, s.granted_at, s.reason
        FROM message m JOIN message_status s ON s.message_id = m.id
        WHERE s.run_id = ? AND s.state = 'ambiguous'
        ORDER BY s.granted_at, m.id
        LIMIT ?
        """
    return [
        Ambiguous(id_, run, customer, channel, _instant(granted_at), reason or "")
        for id_, run, customer, channel, granted_at, reason in execute(connection, query, run_id, limit)
    ]


def settle_by_hand(connection: Connection, message: str, *, sent: bool, by: str, now: datetime) -> None:
    """Settle a message in a person's name: sent, or queued again. Raises `StoreError` if it is not ambiguous."""
    state = read_value(connection, "SELECT state FROM message_status WHERE message_id = ?", message)
    if state != MessageState.AMBIGUOUS.value:
        what = "is not in the store" if state is None else f"is {state}: nothing about it is ambiguous"
        raise StoreError(f"message {message!r} {what}")
    _settle(connection, [message], sent=sent, by=by, now=now)


def settle_run_by_hand(connection: Connection, run_id: int, *, sent: bool, by: str, now: datetime) -> int:
    """Settle every ambiguous message of a run in a person's name; returns how many."""
    query = "SELECT message_id FROM message_status WHERE run_id = ? AND state = 'ambiguous'"
    found = read_column(connection, query, run_id)
    for start in range(0, len(found), _AT_ONCE):
        _settle(connection, found[start : start + _AT_ONCE], sent=sent, by=by, now=now)
    return len(found)


def _settle(connection: Connection, messages: Sequence[str], *, sent: bool, by: str, now: datetime) -> None:
    at, wanted = to_millis(now), f"message_id IN ({places(messages)})"
    if sent:
        known = f"UPDATE message_status SET state = 'sent', settled_at = ?, reason = ? WHERE {wanted}"
        execute(connection, known, at, f"{by} said that it arrived", *messages)
        coupons.settle(connection, messages, "confirmed")
    else:
        again = f"UPDATE message_status SET state = 'queued', due_at = ?, reason = ? WHERE {wanted}"
        execute(connection, again, at, f"{by} said that it never arrived", *messages)


def _instant(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)
