"""Events of the inbox that journeys have not heard yet."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from automation.store.statements import Connection, execute, listed, places, read_column, read_value

AT_ONCE = 5_000
UNHEARD: Mapping[str, pl.DataType] = {
    "event": pl.Int64(),  # its row of the inbox
    "event_id": pl.String(),
    "customer_id": pl.String(),
    "type": pl.String(),
    "occurred_at": pl.Int64(),  # milliseconds
    "received_at": pl.Int64(),  # milliseconds
    "message_id": pl.String(),  # the message that it is about; null: none
    "fields": pl.String(),  # JSON: its other columns and its attributes
}
_SELECT = "SELECT id, event_id, customer_id, type, occurred_at, received_at, message_id, fields FROM inbox"


def last_row(connection: Connection) -> int:
    """The newest row up to which the inbox is complete, within a transaction that may write.

    PostgreSQL commits rows in another order than it numbers them, so this waits for those that are being added.
    """
    if connection.dialect.paramstyle != "qmark":
        execute(connection, "LOCK TABLE inbox IN SHARE MODE")
    return int(read_value(connection, "SELECT coalesce(max(id), 0) FROM inbox") or 0)


def read_unheard(connection: Connection, *, after: int, last: int, types: Collection[str]) -> tuple[pl.DataFrame, int]:
    """The next 5,000 events of these types behind the inbox row `after`, up to `last`; and the row up to which that is
    all of them. Events of other types are not even read."""
    wanted = sorted(types)
    statement = f"{_SELECT} WHERE type IN ({places(wanted)}) AND id > ? AND id <= ? ORDER BY id LIMIT ?"
    rows = execute(connection, statement, *wanted, after, last, AT_ONCE).fetchall()
    if len(rows) == AT_ONCE:
        last = int(rows[-1][0])
    return _frame(rows), max(last, after)


def read_since(connection: Connection, customers: Sequence[str], types: Collection[str], *, since: int) -> pl.DataFrame:
    """What these customers did since an instant (milliseconds), heard or not, of these types."""
    wanted = sorted(types)
    among = f"customer_id IN ({listed(connection)})"
    statement = f"{_SELECT} WHERE {among} AND occurred_at >= ? AND type IN ({places(wanted)}) ORDER BY id"
    ids = json.dumps(list(dict.fromkeys(customers)))
    return _frame(execute(connection, statement, ids, since, *wanted).fetchall())


def has_unheard(connection: Connection, customers: Sequence[str], types: Collection[str], *, after: int) -> set[str]:
    """Those of these customers of whom an event of these types lies behind the inbox row `after`."""
    wanted = sorted(types)
    statement = f"SELECT DISTINCT customer_id FROM inbox WHERE id > ? AND type IN ({places(wanted)})"  # noqa: S608
    return set(customers).intersection(read_column(connection, statement, after, *wanted))


def _frame(rows: Sequence[Sequence[object]]) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in rows], schema=UNHEARD, orient="row")
