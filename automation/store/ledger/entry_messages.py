"""The messages of journeys' entries: whose they are, whether they are settled, and what is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.revocations import customer_key
from automation.store.engine import table
from automation.store.ledger.settling import release
from automation.store.statements import note_revoked
from automation.store.tables import Decision, Message, MessageStatus
from automation.types.message import MessageState

_decision, _message, _status = table(Decision), table(Message), table(MessageStatus)
_PREFIX = "e"
SETTLED = {
    "message_id": pl.String,
    "state": pl.String,
    "due_at": pl.Int64,
    "granted_at": pl.Int64,
    "settled_at": pl.Int64,
}


def entry_key(ids: pl.Expr) -> pl.Expr:
    """What the decisions of entries with these ids are about."""
    return pl.concat_str(pl.lit(_PREFIX), ids.cast(pl.String))


def find_entries(connection: Connection, messages: Sequence[str]) -> pl.DataFrame:
    """`message_id` and `entry`, the id of the entry that it belongs to, of those of these messages that have one."""
    query = (
        sa.select(_message.c.id, _decision.c.entry)
        .join(_decision, _decision.c.id == _message.c.decision_id)
        .where(_message.c.id.in_(messages), _decision.c.entry.startswith(_PREFIX))
    )
    rows = [(message, int(entry.removeprefix(_PREFIX))) for message, entry in connection.execute(query)]
    return pl.DataFrame(rows, schema={"message_id": pl.String, "entry": pl.Int64}, orient="row")


def read_states(connection: Connection, messages: Sequence[str]) -> pl.DataFrame:
    """Where these messages are: the columns of `SETTLED`."""
    columns = [_status.c[name] for name in SETTLED]
    rows = connection.execute(sa.select(*columns).where(_status.c.message_id.in_(messages)))
    return pl.DataFrame(list(map(tuple, rows)), schema=SETTLED, orient="row")


def find_planned(connection: Connection, run_id: int, batch_no: int) -> pl.DataFrame:
    """`entry` and `message_id` of a batch's messages."""
    query = (
        sa.select(_decision.c.entry, _message.c.id)
        .join(_message, _message.c.decision_id == _decision.c.id)
        .where(_decision.c.run_id == run_id, _decision.c.batch_no == batch_no, _message.c.run_id == run_id)
    )
    rows = [(int(entry.removeprefix(_PREFIX)), message) for entry, message in connection.execute(query)]
    return pl.DataFrame(rows, schema={"id": pl.Int64, "planned": pl.String}, orient="row")


def cancel(connection: Connection, messages: Sequence[str], *, reason: str, now: datetime) -> None:
    """Cancel those of these messages that have not begun to leave, and take back those that were granted."""
    if not messages:
        return
    queued = _status.c.message_id.in_(messages) & (_status.c.state == MessageState.QUEUED.value)
    values = {"state": MessageState.CANCELLED.value, "reason": reason, "settled_at": to_millis(now)}
    cancelled = connection.execute(sa.update(_status).where(queued).values(values).returning(_status.c.message_id))
    release(connection, list(cancelled.scalars()))
    people = sa.select(_message.c.customer_id).where(_message.c.id.in_(messages))
    note_revoked(connection, map(customer_key, connection.execute(people).scalars()))
