"""How messages leave the ledger: by ticks of one committer.

A tick commits the results of the last group and the intents of the next. A message is granted only in the commit that
makes it `sending`, and nothing is handed to a channel before that commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.errors import StoreError
from automation.ids import content_hash
from automation.store import coupons
from automation.store.engine import table
from automation.store.tables import Contact, Message
from automation.types.message import MessageState, Receipt, Verdict

_message, _contact = table(Message), table(Contact)

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)


@dataclass(frozen=True)
class Grant:
    """One message that may leave now: its `sending` is committed."""

    id: str
    attempt: int
    run_id: int
    batch_no: int
    campaign: str
    launch_id: int
    customer_id: str
    channel: str
    topic: str
    address: str
    template: str
    context: str
    variant: str | None
    offer: str | None
    items: str
    coupon: str | None
    due_at: datetime
    granted_at: datetime


@dataclass(frozen=True)
class Tick:
    """What one commit did: the messages that may leave, and how many were settled without leaving."""

    grants: Sequence[Grant]
    refused: int


def tick(
    connection: Connection,
    *,
    results: Sequence[Receipt],
    want: int,
    flight: int,
    now: datetime,
    marketing: Iterable[str],
) -> Tick:
    """Take the last group's results and grant the next group's intents; the caller commits, then sends."""
    settle(connection, results, now=now)
    return _grant(connection, want=want, flight=flight, now=now, marketing=set(marketing)) if want else Tick((), 0)


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
            values["due_at"] = sa.bindparam("d")
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
            | ({"d": to_millis(now + backoff(r))} if state is MessageState.QUEUED else {})
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
        Verdict.SENT: MessageState.SENT,
        Verdict.FAILED: MessageState.FAILED,
        Verdict.AMBIGUOUS: MessageState.AMBIGUOUS,
    }[result.verdict]


def backoff(result: Receipt) -> timedelta:
    """How long to wait before the next attempt: doubling, with a jitter that is the message's own."""
    jitter = 0.5 + int(content_hash(result.id, str(result.attempt))[:8], 16) / 2**32
    doubled: timedelta = min(FIRST_RETRY * 2 ** (result.attempt - 1), LONGEST_RETRY)
    return doubled * jitter


def _grant(connection: Connection, *, want: int, flight: int, now: datetime, marketing: set[str]) -> Tick:
    at = to_millis(now)
    rows = connection.execute(_DUE, {"now": at, "want": want}).mappings().all()
    if not rows:
        return Tick((), 0)
    expired = [row["id"] for row in rows if row["expires_at"] is not None and row["expires_at"] <= at]
    gone = set(expired)
    refused = {
        row["id"]: "suppressed_address" if row["suppressed"] else "no_consent"
        for row in rows
        if row["id"] not in gone and (row["suppressed"] or not _may(row, marketing))
    }
    granted = [row for row in rows if row["id"] not in gone and row["id"] not in refused]
    _refuse(connection, expired, MessageState.EXPIRED, "late", at)
    for reason in set(refused.values()):
        _refuse(connection, [i for i, r in refused.items() if r == reason], MessageState.SUPPRESSED, reason, at)
    if granted:
        sending = (
            sa.update(_message)
            .where(_message.c.id == sa.bindparam("i"))
            .values(state=MessageState.SENDING.value, attempt=_message.c.attempt + 1, flight=flight, granted_at=at)
        )
        connection.execute(sending, [{"i": row["id"]} for row in granted])
    grants = [_as_grant(row, attempt=row["attempt"] + 1, granted_at=at) for row in granted]
    return Tick(grants, len(expired) + len(refused))


def grant_of(connection: Connection, message: str) -> Grant:
    """The last grant that a message had, for rendering it again. Raises `StoreError`."""
    row = connection.execute(_ONE, {"id": message}).mappings().one_or_none()
    if row is None or row["granted_at"] is None:
        raise StoreError(f"message {message!r} " + ("is not in the store" if row is None else "was never sent"))
    return _as_grant(row, attempt=row["attempt"], granted_at=row["granted_at"])


def _as_grant(row: Mapping[Any, Any], *, attempt: int, granted_at: int) -> Grant:
    kept = {name: row[name] for name in _GRANTED}
    return Grant(attempt=attempt, due_at=from_millis(row["due_at"]), granted_at=from_millis(granted_at), **kept)


def _may(row: Mapping[Any, Any], marketing: set[str]) -> bool:
    return bool(row["granted"]) if row["topic"] in marketing else row["granted"] is not False and row["granted"] != 0


_GRANTED = (
    "id",
    "run_id",
    "batch_no",
    "campaign",
    "launch_id",
    "customer_id",
    "channel",
    "topic",
    "address",
    "template",
    "context",
    "variant",
    "offer",
    "items",
    "coupon",
)
_COLUMNS = """
    SELECT m.id, m.run_id, m.batch_no, m.customer_id, m.channel, m.topic, m.address, m.template, m.context, m.attempt,
           m.expires_at, m.due_at, m.granted_at, r.campaign, r.launch_id, d.variant, d.offer, d.items, k.code AS coupon
"""
_DUE = sa.text(
    _COLUMNS  # noqa: S608  # two constants
    + """
         , c.granted, s.address IS NOT NULL AS suppressed
    FROM (SELECT q.* FROM message q JOIN run qr ON qr.id = q.run_id
          WHERE q.state = 'queued' AND q.due_at <= :now
            AND NOT EXISTS (SELECT 1 FROM control x WHERE x.scope IN ('*', qr.campaign))
          ORDER BY q.due_at LIMIT :want) m
    JOIN run r ON r.id = m.run_id
    JOIN decision d ON d.id = m.decision_id
    LEFT JOIN consent c ON c.customer_id = m.customer_id AND c.channel = m.channel AND c.topic = m.topic
    LEFT JOIN suppression s ON s.channel = m.channel AND s.address = lower(trim(m.address))
    LEFT JOIN coupon k ON k.message_id = m.id
    """
)
_ONE = sa.text(
    _COLUMNS
    + """
    FROM message m JOIN run r ON r.id = m.run_id JOIN decision d ON d.id = m.decision_id
    LEFT JOIN coupon k ON k.message_id = m.id
    WHERE m.id = :id
    """
)


def _refuse(connection: Connection, ids: Sequence[str], state: MessageState, reason: str, at: int) -> None:
    if ids:
        values = {"state": state.value, "reason": reason, "settled_at": at}
        connection.execute(sa.update(_message).where(_message.c.id.in_(ids)).values(values))
        release(connection, ids)


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
