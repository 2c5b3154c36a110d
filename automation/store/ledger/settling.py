"""What became of messages on their way: results settle them, and what they held is confirmed or given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.ids import content_hash
from automation.store.engine import execute_rows, table
from automation.store.ledger import ambiguous, coupons
from automation.store.tables import CapEntry, Message
from automation.types.message import MessageState, Receipt, Verdict

_message, _cap_entry = table(Message), table(CapEntry)

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
SWITCHED = timedelta(seconds=1)
"""How soon a message goes to the other provider."""


class Result(NamedTuple):
    """A receipt, and which of the channel's providers a next attempt goes to; None keeps it."""

    receipt: Receipt
    provider: int | None = None


def settle(connection: Connection, results: Sequence[Result | Receipt], *, now: datetime) -> None:
    """Accept results by (message, attempt), while the message is still sending or ambiguous."""
    states: dict[MessageState, list[Result]] = {}
    for one in results:
        result = one if isinstance(one, Result) else Result(one)
        states.setdefault(_settled_state(result.receipt), []).append(result)
    for state, found in states.items():
        receipts = [result.receipt for result in found]
        if state is MessageState.QUEUED:
            execute_rows(connection, _QUEUE_AGAIN, [_again(result, now) for result in found])
            continue
        at = to_millis(now)
        rows = [(state.value, at, r.provider_id or None, r.detail or None, r.id, r.attempt) for r in receipts]
        execute_rows(connection, _SETTLE, rows)
        if state is MessageState.SENT:
            coupons.settle(connection, [r.id for r in receipts], "confirmed")
        elif state is MessageState.FAILED:
            release(connection, [r.id for r in receipts])
        elif state is MessageState.AMBIGUOUS:
            ambiguous.follow(connection, [r.id for r in receipts], now=now)


_TAKEN = "WHERE id = ? AND attempt = ? AND state IN ('sending', 'ambiguous')"
_SETTLE = f"UPDATE message SET state = ?, settled_at = ?, provider_id = ?, reason = ? {_TAKEN}"  # noqa: S608
_QUEUE_AGAIN = (
    "UPDATE message SET state = 'queued', settled_at = ?, provider_id = ?, reason = ?, due_at = ?, "  # noqa: S608
    f"attempt = attempt - ?, provider = coalesce(?, provider) {_TAKEN}"
)


_RETURN = f"UPDATE message SET state = 'queued', worker_id = NULL {_TAKEN}"  # noqa: S608


def _settled_state(result: Receipt) -> MessageState:
    if result.verdict is Verdict.RETRY:
        return MessageState.FAILED if result.attempt >= MAX_ATTEMPTS else MessageState.QUEUED
    return {
        Verdict.RETURNED: MessageState.QUEUED,
        Verdict.SENT: MessageState.SENT,
        Verdict.FAILED: MessageState.FAILED,
        Verdict.AMBIGUOUS: MessageState.AMBIGUOUS,
    }[result.verdict]


def _again(result: Result, now: datetime) -> tuple[object, ...]:
    """When the next attempt is due, by how much the count goes back, and which provider has it."""
    receipt = result.receipt
    due = to_millis(now + (SWITCHED if result.provider is not None else backoff(receipt)))
    uncounted = int(receipt.verdict is Verdict.RETURNED)
    said = (to_millis(now), receipt.provider_id or None, receipt.detail or None)
    return (*said, due, uncounted, result.provider, receipt.id, receipt.attempt)


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
    connection.execute(sa.delete(_cap_entry).where(_cap_entry.c.message_id.in_(ids)))


def hand_back(connection: Connection, untouched: Sequence[Receipt], *, now: datetime) -> None:
    """What died with its process before it reached a channel returns to the queue.

    The attempt counts: should a message be what its process dies of, it ends as failed. From the second time on it
    waits, each for as long as its own jitter says, so that the innocent part from the one that they died with.
    """
    settle(connection, [replace(one, verdict=Verdict.RETRY) for one in untouched if one.attempt > 1], now=now)
    execute_rows(connection, _RETURN, [(receipt.id, receipt.attempt) for receipt in untouched if receipt.attempt == 1])
