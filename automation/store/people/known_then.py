"""What the consent records and the suppression list said at an earlier instant, for a plan of that time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.engine import table
from automation.store.people.suppressions import SuppressionList, SuppressionRow, read_suppressions
from automation.store.tables import ConsentRecord
from automation.types.address import normalise

_record = table(ConsentRecord)
_NAMED = 5_000


def states_then(
    connection: Connection, customers: Sequence[str], channels: Sequence[str], topic: str, *, until: datetime
) -> pl.DataFrame:
    """The answer of `consent.states` from the records until then."""
    rows = [
        (row.customer_id, row.channel, bool(row.granted), bool(row.agreed))
        for channel in channels
        for row in _latest(connection, "customer_id", customers, channel, topic, until)
    ]
    schema = {"customer_id": pl.String, "channel": pl.String, "granted": pl.Boolean, "agreed": pl.Boolean}
    found = pl.DataFrame(rows, schema=schema, orient="row")
    no = pl.when("agreed").then(pl.lit("withdrawn")).otherwise(pl.lit("refused"))
    return found.with_columns(pl.when("granted").then(pl.lit("given")).otherwise(no).alias("state")).drop("agreed")


def suppressed_then(
    connection: Connection, addresses: Sequence[str], channel: str, topic: str, *, until: datetime
) -> dict[str, SuppressionRow]:
    """The answer of `suppressions.suppressed` from the rows until then that are still there, and from the withdrawals
    on record: a row that a later grant lifted is found again, one that a person removed is not."""
    forms = {address: normalise(address) for address in addresses}
    rows = [row for row in read_suppressions(connection, forms.values()).rows if row.at <= until]
    rows += [
        SuppressionRow(row.address, channel, topic, "withdrawn" if row.agreed else "refused", from_millis(row.at), "")
        for row in _latest(connection, "address", sorted(set(forms.values()) - {""}), channel, topic, until)
        if not row.granted
    ]
    listed = SuppressionList(rows)
    found = {address: listed.row(form, channel, topic) for address, form in forms.items()}
    return {address: row for address, row in found.items() if row is not None}


def _latest(
    connection: Connection, key: str, values: Sequence[str], channel: str, topic: str, until: datetime
) -> Iterator[sa.Row[tuple[object, ...]]]:
    """The latest record of each customer id or address until then, and whether it had ever been a yes.

    Of two at the same instant the one recorded later counts for a customer, and the no for an address.
    """
    column = _record.c[key]
    last = (_record.c.at.desc(), _record.c.granted if key == "address" else _record.c.id.desc())
    for start in range(0, len(values), _NAMED):
        ranked = (
            sa.select(
                column,
                _record.c.channel,
                _record.c.granted,
                _record.c.at,
                sa.func.row_number().over(partition_by=column, order_by=last).label("place"),
                sa.func.max(sa.cast(_record.c.granted, sa.Integer)).over(partition_by=column).label("agreed"),
            )
            .where(
                column.in_(values[start : start + _NAMED]),
                _record.c.channel == channel,
                _record.c.topic == topic,
                _record.c.at <= to_millis(until),
            )
            .subquery()
        )
        yield from connection.execute(sa.select(ranked).where(ranked.c.place == 1))
