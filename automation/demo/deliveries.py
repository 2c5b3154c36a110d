"""Reads from the ledger what was delivered and decided, as frames."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.tables import Decision, Message, MessageStatus

_message, _status, _decision = table(Message), table(MessageStatus), table(Decision)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = pl.Datetime("us", "UTC")


def delivered(connection: Connection, *, since: datetime = _BEGINNING) -> pl.DataFrame:
    """The messages sent since then: message_id, customer_id, topic, sent_at, items (product ids), offer, variant.

    In the order of their decisions: message ids differ from store to store, and a seed should tell one story.
    """
    query = (
        sa.select(_message.c.id, _message.c.customer_id, _message.c.topic, _status.c.settled_at)
        .add_columns(*(_decision.c[name] for name in ("items", "offer", "variant")))
        .join(_status, _status.c.message_id == _message.c.id)
        .join(_decision, _decision.c.id == _message.c.decision_id)
        .where(_status.c.state == "sent", _status.c.settled_at >= to_millis(since))
        .order_by(_decision.c.id)
    )
    names = ("message_id", "customer_id", "topic", "sent_at", "items", "offer", "variant")
    schema = dict.fromkeys(names, pl.String) | {"sent_at": pl.Int64}
    rows = pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=schema, orient="row")
    shown = pl.List(pl.Struct({"product_id": pl.String}))
    return rows.with_columns(
        _instants("sent_at"),
        pl.col("items").str.json_decode(shown).list.eval(pl.element().struct.field("product_id")),
    )


def _instants(column: str) -> pl.Expr:
    return pl.from_epoch(column, time_unit="ms").cast(_INSTANT)
