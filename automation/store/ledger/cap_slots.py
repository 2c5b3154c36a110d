"""Cap slots: who was promised a message and when, and which messages give theirs up to another campaign."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.ledger import settling
from automation.store.ledger.earlier_sends import IMPORTED
from automation.store.tables import CapEntry, Decision, MessageStatus
from automation.types.message import MessageState

_cap_entry, _status, _decision = table(CapEntry), table(MessageStatus), table(Decision)

LOST, DEFERRED = "arbitration_lost", "deferred_for"
SCHEMA = {
    "customer_id": pl.String(),
    "message_id": pl.String(),
    "campaign": pl.String(),
    "topic": pl.String(),
    "channel": pl.String(),
    "at": pl.Int64(),
    "priority": pl.Int64(),
    "expected_value": pl.Float64(),
    "wait_until": pl.Int64(),
    "open": pl.Boolean(),
}
_KEPT = ("message_id", "campaign", "topic", "channel", "at", "priority", "expected_value", "wait_until")
_NAMED = 5_000


def read_cap_entries(connection: Connection, people: pl.DataFrame, *, since: datetime, now: datetime) -> pl.DataFrame:
    """The cap entries of these people since then, under any of their ids: the columns of `SCHEMA`.

    people: customer_id and recipient (the normalised address; "" where it is not known). customer_id of the answer is
    the one asked for: ids that share an address are one person. open: still in the queue; a holdout's, still to come.
    """
    mine = _find(connection, "customer_id", people["customer_id"], since, now)
    theirs = _find(connection, "recipient", people["recipient"].filter(people["recipient"] != ""), since, now)
    both = pl.concat(
        [
            people.select("customer_id").join(mine.rename({"key": "customer_id"}), on="customer_id"),
            people.join(theirs.rename({"key": "recipient"}), on="recipient").drop("recipient"),
        ]
    )
    return both.unique(["customer_id", "message_id"], maintain_order=True).select(list(SCHEMA))


def _find(connection: Connection, key: str, values: pl.Series, since: datetime, now: datetime) -> pl.DataFrame:
    waits = sa.case(
        (_cap_entry.c.message_id.startswith(IMPORTED), sa.false()),
        (_status.c.message_id.is_(None), _cap_entry.c.at > to_millis(now)),
        else_=_status.c.state == MessageState.QUEUED.value,
    )
    query = sa.select(_cap_entry.c[key], *(_cap_entry.c[name] for name in _KEPT), waits).outerjoin(
        _status, _status.c.message_id == _cap_entry.c.message_id
    )
    found: list[tuple[object, ...]] = []
    wanted = values.unique().to_list()
    for start in range(0, len(wanted), _NAMED):
        part = query.where(_cap_entry.c[key].in_(wanted[start : start + _NAMED]), _cap_entry.c.at > to_millis(since))
        found += [(*row[:-1], bool(row[-1])) for row in connection.execute(part)]
    schema = {"key": pl.String(), **{name: SCHEMA[name] for name in _KEPT}, "open": pl.Boolean()}
    return pl.DataFrame(found, schema=schema, orient="row")


def yield_cap_slots(connection: Connection, displaced: pl.DataFrame, *, now: datetime) -> int:
    """Cancel or defer these messages for a higher-priority campaign; returns how many.

    displaced: message_id, to (the campaign that takes the place), until (milliseconds; null: it is lost). A message
    that began to leave since keeps its place.
    """
    if displaced.is_empty():
        return 0
    ids = displaced["message_id"].to_list()
    waiting = _still_waiting(connection, ids)
    lost = displaced.filter(pl.col("until").is_null() & pl.col("message_id").is_in(list(waiting)))
    later = displaced.filter(pl.col("until").is_not_null() & pl.col("message_id").is_in(list(waiting)))
    _cancel(connection, lost, to_millis(now))
    _put_off(connection, later)
    return lost.height + later.height


def _still_waiting(connection: Connection, ids: Sequence[str]) -> set[str]:
    """The queued ones, locked for this transaction, and the cap entries of holdouts, which have no message."""
    rows = connection.execute(
        sa.select(_status.c.message_id, _status.c.state).where(_status.c.message_id.in_(ids)).with_for_update()
    )
    states = {row.message_id: row.state for row in rows}
    return {identity for identity in ids if states.get(identity, "queued") == MessageState.QUEUED.value}


def _cancel(connection: Connection, lost: pl.DataFrame, at: int) -> None:
    ids = lost["message_id"].to_list()
    queued = (_status.c.message_id.in_(ids)) & (_status.c.state == MessageState.QUEUED.value)
    values = {"state": MessageState.CANCELLED.value, "reason": LOST, "settled_at": at}
    connection.execute(sa.update(_status).where(queued).values(values))
    settling.release(connection, ids)
    _note(connection, lost, LOST)


def _put_off(connection: Connection, later: pl.DataFrame) -> None:
    rows = [{"i": identity, "d": until} for identity, until in later.select("message_id", "until").iter_rows()]
    if not rows:
        return
    moved = _status.c.expires_at + (sa.bindparam("d") - _status.c.due_at)
    values = {"expires_at": moved, "due_at": sa.bindparam("d"), "reason": DEFERRED}
    connection.execute(sa.update(_status).where(_status.c.message_id == sa.bindparam("i")).values(values), rows)
    connection.execute(
        sa.update(_cap_entry).where(_cap_entry.c.message_id == sa.bindparam("i")).values(at=sa.bindparam("d")), rows
    )
    _note(connection, later, DEFERRED)


def _note(connection: Connection, displaced: pl.DataFrame, reason: str) -> None:
    """Record the reason on the decisions; a holdout's decision stays as it is."""
    for (to,), part in displaced.group_by("to"):
        mine = sa.select(_status.c.decision_id).where(_status.c.message_id.in_(part["message_id"].to_list()))
        changed = sa.update(_decision).where(_decision.c.id.in_(mine)).values(reason=reason, detail=to)
        connection.execute(changed)


def last_sends(
    connection: Connection,
    customers: Collection[str],
    recipients: Collection[str],
    *,
    since: datetime,
    topics: Collection[str],
) -> dict[str, int]:
    """By customer id and by address (normalised): when the last message of these topics was granted (milliseconds)."""
    last: dict[str, int] = {}
    for key, values in (("customer_id", customers), ("recipient", recipients)):
        query = (
            sa.select(_cap_entry.c[key], sa.func.max(_status.c.granted_at))
            .join(_status, _status.c.message_id == _cap_entry.c.message_id)
            .where(
                _cap_entry.c[key].in_(values),
                _cap_entry.c.topic.in_(topics),
                _status.c.granted_at > to_millis(since),
                _status.c.state.in_(_LEFT),
            )
            .group_by(_cap_entry.c[key])
        )
        last |= {row[0]: row[1] for row in connection.execute(query)}
    return last


_LEFT = (MessageState.SENDING.value, MessageState.SENT.value, MessageState.AMBIGUOUS.value)
