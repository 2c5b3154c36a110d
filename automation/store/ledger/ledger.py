"""The send ledger: a batch's decisions and messages enter in one transaction, and every member stays accounted for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from automation.clock import to_millis
from automation.errors import StoreError
from automation.ids import message_ids
from automation.store.engine import insert_rows, table
from automation.store.ledger import coupons, queues
from automation.store.tables import Batch, CapEntry, Decision, Message, MessageStatus
from automation.types.address import normalised
from automation.types.message import MessageState

_decision, _batch, _status = table(Decision), table(Batch), table(MessageStatus)
_message = table(Message)

DECISION_COLUMNS: Mapping[str, pl.DataType] = {
    "customer_id": pl.String(),
    "step": pl.String(),  # the name of the send
    "visit": pl.Int64(),  # how often the customer came to it before
    "outcome": pl.String(),
    "reason": pl.String(),
    "detail": pl.String(),
    "variant": pl.String(),
    "offer": pl.String(),
    "items": pl.String(),  # JSON
    "propensities": pl.String(),  # JSON
    "passed_over": pl.String(),  # JSON
}
MESSAGE_COLUMNS: Mapping[str, pl.DataType] = {
    "channel": pl.String(),
    "address": pl.String(),
    "due_at": pl.Int64(),
    "expires_at": pl.Int64(),
    "quiet_hours": pl.String(),
    "quiet_zone": pl.String(),
    "template": pl.String(),
    "context": pl.String(),  # JSON
    "coupon": pl.String(),  # its prefix; the code is made here
}
"""A batch's frame has both. The message columns are null unless the outcome is `message` or `holdout`: a holdout takes
its place under the caps as if it had been contacted, so that both groups are treated alike, but gets no message."""


CAP_ENTRY_COLUMNS: Mapping[str, pl.DataType] = {
    "priority": pl.Int64(),
    "expected_value": pl.Float64(),
    "wait_until": pl.Int64(),
}
"""What a promise weighs in arbitration, and how far it may be put off. A batch's frame may have them."""


def plan(
    connection: Connection,
    *,
    run_id: int,
    batch_no: int,
    epoch: int,
    campaign: str,
    topic: str,
    rows: pl.DataFrame,
    content: str,
    secret: bytes,
    now: datetime,
    counts: bool = True,
) -> None:
    """Write a batch's decisions, messages, cap entries and coupons, once. Raises `StoreError` if it was planned.

    rows: may have `entry`, what each decision is about, for people who come one by one. counts: whether its messages
    take places under the caps; those of a test don't.
    """
    claimed = (
        sa.update(_batch)
        .where(_batch.c.run_id == run_id, _batch.c.no == batch_no, _batch.c.epoch == epoch, _batch.c.state == "frozen")
        .values(state="planned", content=content)
    )
    if connection.execute(claimed).rowcount != 1:
        raise StoreError(f"batch {batch_no} of run {run_id} was planned already")
    first = (connection.execute(sa.select(sa.func.max(_decision.c.id))).scalar() or 0) + 1
    about = (pl.lit(f"{run_id}|") + pl.col("customer_id") + "|").alias("entry")  # as `entry_of`
    rows = rows.with_columns(
        pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias("id"),
        *([] if "entry" in rows.columns else [about]),
    )
    here = {"run_id": pl.lit(run_id), "batch_no": pl.lit(batch_no)}
    decided = {name: name for name in ("id", "entry", *DECISION_COLUMNS)}
    settled = {"campaign": pl.lit(campaign), "decided_at": pl.lit(to_millis(now))}
    _insert(connection, Decision, rows, **decided, **settled, **here)
    promised = _identify(rows.filter(pl.col("channel").is_not_null()), secret, run_id, batch_no)
    promised = promised.with_columns(normalised(promised["address"]).fill_null("").alias("recipient"))
    contact = {name: name for name in ("message_id", "customer_id", "recipient", "channel")} | {"at": "due_at"}
    contact |= {name: name for name in CAP_ENTRY_COLUMNS if name in promised.columns}
    if counts:
        _insert(connection, CapEntry, promised, **contact, topic=pl.lit(topic), campaign=pl.lit(campaign))
    messages = promised.filter(pl.col("outcome") == "message").with_columns(_queue(run_id))
    kept = {name: name for name in ("customer_id", "recipient", *MESSAGE_COLUMNS) if name not in _CHANGING}
    _insert(connection, Message, messages, id="message_id", decision_id="id", **kept, topic=pl.lit(topic), **here)
    queued = {"run_id": pl.lit(run_id), "state": pl.lit(MessageState.QUEUED.value), "attempt": pl.lit(0)}
    waits = {name: name for name in ("message_id", "queue", "due_at", "expires_at")}
    _insert(connection, MessageStatus, messages, decision_id="id", **waits, **queued)
    coupons.reserve(connection, messages, campaign=campaign, secret=secret)


_CHANGING = frozenset({"due_at", "expires_at", "coupon"})


def _queue(run_id: int) -> pl.Expr:
    """Where a message waits: a recipient domain that many of the batch share has a queue of its own, so that a slow one
    holds nobody else up."""
    domain = pl.when(pl.col("recipient").str.contains("@")).then(pl.col("recipient").str.extract(r"@([^@]*)$"))
    share = pl.len().over(domain) / pl.len()
    own = pl.when((share >= _OWN_QUEUE) & (pl.len() >= _FEW)).then(domain).fill_null("")
    return pl.concat_str(pl.col("channel"), pl.lit(f"|{run_id}|"), own).alias("queue")


_OWN_QUEUE, _FEW = 0.05, 100


def entry_of(run_id: int, customer_id: str) -> str:
    """What a decision is about: one customer of a run."""
    return f"{run_id}|{customer_id}|"


def _identify(rows: pl.DataFrame, secret: bytes, run_id: int, batch_no: int) -> pl.DataFrame:
    """The rows with their `message_id`, made of the decision and the channel, in the order of these ids."""
    about = rows.select(pl.concat_str("entry", "step", "visit", "channel", separator="|")).to_series()
    ids = message_ids(secret, about.to_list(), run_id=run_id, batch_no=batch_no)
    return rows.with_columns(pl.Series("message_id", ids, dtype=pl.String)).sort("message_id")


def _insert(connection: Connection, model: type[SQLModel], rows: pl.DataFrame, **columns: str | pl.Expr) -> None:
    """Insert the rows: each column of the table from the frame's column, or expression, that is given for it."""
    taken = rows.select(
        (pl.col(source) if isinstance(source, str) else source).alias(name) for name, source in columns.items()
    )
    insert_rows(connection, model, tuple(columns), taken.rows())


def find_settled(connection: Connection, run_ids: Collection[int]) -> set[int]:
    """Those of these runs whose batches are all planned, and of which no message is queued or sending.

    Cheap for runs of any size: it looks at the queues, and at the few messages that are on their way.
    """
    sending = sa.select(_status.c.run_id).distinct().where(_status.c.state == MessageState.SENDING.value)
    frozen = sa.select(_batch.c.run_id).distinct().where(_batch.c.run_id.in_(run_ids), _batch.c.state == "frozen")
    busy = {queue.run_id for queue, _ in queues.first_due_times(connection)}
    busy |= {*connection.execute(sending).scalars(), *connection.execute(frozen).scalars()}
    return set(run_ids) - busy
