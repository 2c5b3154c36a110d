"""Settles messages by their results, and confirms or releases what they held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.ids import content_hash
from automation.store.engine import table
from automation.store.ledger import ambiguous, coupons
from automation.store.statements import execute_rows
from automation.store.tables import CapEntry
from automation.types.message import MessageState, Receipt, Verdict

_cap_entry = table(CapEntry)

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
SWITCHED = timedelta(seconds=1)
"""How soon a message is tried at the other provider."""


class Result(NamedTuple):
    """A receipt, and the provider of a next attempt; None keeps the provider."""

    receipt: Receipt
    provider: int | None = None


def settle(connection: Connection, results: Sequence[Result | Receipt], *, now: datetime) -> None:
    """Accept results by (message, attempt, worker's life), while the message is still sending or ambiguous.

    An attempt that was returned is not counted, so that another worker gets the same number.
    """
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
        rows = [(state.value, at, r.provider_id or None, r.detail or None, *_taken(r)) for r in receipts]
        execute_rows(connection, _SETTLE, rows)
        if state is MessageState.SENT:
            coupons.settle(connection, [r.id for r in receipts], "confirmed")
        elif state is MessageState.FAILED:
            release(connection, [r.id for r in receipts])
        elif state is MessageState.AMBIGUOUS:
            ambiguous.requeue_for_resend(connection, [r.id for r in receipts], now=now)


_TAKEN = "WHERE message_id = ? AND attempt = ? AND coalesce(worker_id, 0) = ? AND state IN ('sending', 'ambiguous')"
_SETTLE = f"UPDATE message_status SET state = ?, settled_at = ?, provider_id = ?, reason = ? {_TAKEN}"  # noqa: S608
_QUEUE_AGAIN = (
    "UPDATE message_status SET state = 'queued', settled_at = ?, provider_id = ?, reason = ?, "  # noqa: S608
    "due_at = coalesce(?, due_at), "
    f"attempt = attempt - ?, provider = coalesce(?, provider) {_TAKEN}"
)


_RETURN = f"UPDATE message_status SET state = 'queued', worker_id = NULL {_TAKEN}"  # noqa: S608


def _taken(receipt: Receipt) -> tuple[str, int, int]:
    """The values of `_TAKEN`."""
    return receipt.id, receipt.attempt, receipt.worker_id


def _settled_state(result: Receipt) -> MessageState:
    if result.verdict is Verdict.RETRY:
        return MessageState.FAILED if result.attempt >= MAX_ATTEMPTS else MessageState.QUEUED
    return {
        Verdict.RETURNED: MessageState.QUEUED,
        Verdict.WITHDRAWN: MessageState.QUEUED,
        Verdict.SENT: MessageState.SENT,
        Verdict.FAILED: MessageState.FAILED,
        Verdict.AMBIGUOUS: MessageState.AMBIGUOUS,
    }[result.verdict]


def _again(result: Result, now: datetime) -> tuple[object, ...]:
    """The values of `_QUEUE_AGAIN`: the next due time, what doesn't count as an attempt, the provider.

    A withdrawn message keeps its due time, so that it is decided about before those behind it.
    """
    receipt = result.receipt
    wait = SWITCHED if result.provider is not None else backoff(receipt)
    due = None if receipt.verdict is Verdict.WITHDRAWN else to_millis(now + wait)
    uncounted = int(receipt.verdict in (Verdict.RETURNED, Verdict.WITHDRAWN))
    said = (to_millis(now), receipt.provider_id or None, receipt.detail or None)
    return (*said, due, uncounted, result.provider, *_taken(receipt))


def backoff(result: Receipt) -> timedelta:
    """How long to wait before the next attempt: doubling, with a jitter that depends on the message.

    At least as long as the provider asked for. A returned message was not tried, so its wait doesn't double.
    """
    jitter = 0.5 + int(content_hash(result.id, str(result.attempt))[:8], 16) / 2**32
    doublings = 0 if result.verdict is Verdict.RETURNED else result.attempt - 1
    doubled: timedelta = min(FIRST_RETRY * 2**doublings, LONGEST_RETRY)
    return max(doubled * jitter, result.retry_after or timedelta(0))


def release(connection: Connection, ids: Sequence[str]) -> None:
    """Release what messages that will never arrive held: coupons and cap entries."""
    coupons.settle(connection, ids, "released")
    connection.execute(sa.delete(_cap_entry).where(_cap_entry.c.message_id.in_(ids)))


def hand_back(connection: Connection, untouched: Sequence[Receipt], *, now: datetime) -> None:
    """Queue messages again that a dead worker had not handed over.

    The attempt counts, so that a message that crashes its worker fails in the end. From the second attempt on, each
    message waits for its own jittered time, which isolates it from the others of its batch.
    """
    settle(connection, [replace(one, verdict=Verdict.RETRY) for one in untouched if one.attempt > 1], now=now)
    execute_rows(connection, _RETURN, [_taken(receipt) for receipt in untouched if receipt.attempt == 1])
