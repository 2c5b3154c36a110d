"""Consent per channel and topic, with its proof.

`consent_record` keeps every record for good; `consent` holds the latest one of each customer. A record with an address
applies to every customer id with that address: `suppressions` holds its withdrawals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.revocations import customer_key
from automation.store.engine import insert_rows, table
from automation.store.people import suppressions
from automation.store.people.suppressions import suppress, suppressed, unsuppress
from automation.store.statements import note_revoked
from automation.store.tables import Consent, ConsentRecord, ConsentRequest
from automation.types.address import normalise, normalised
from automation.types.consent import ConsentState

__all__ = [
    "CONSENT_COLUMNS",
    "ConsentRecordRow",
    "all_records",
    "history",
    "latest_record",
    "name_records",
    "normalise",
    "record",
    "states",
    "suppress",
    "suppressed",
    "unsuppress",
    "write_records",
]

_consent, _record, _request = table(Consent), table(ConsentRecord), table(ConsentRequest)

CONSENT_COLUMNS = pl.Schema(
    {
        "customer_id": pl.String(),
        "channel": pl.String(),
        "topic": pl.String(),
        "granted": pl.Boolean(),
        "at": pl.Int64(),  # milliseconds
        "source": pl.String(),
        "text_version": pl.String(),
        "method": pl.String(),
        "address": pl.String(),  # null or "": unknown, or the record applies to this customer id only
    }
)
_LATEST = ("customer_id", "channel", "topic", "granted", "at", "source", "agreed")
_KEY = ("customer_id", "channel", "topic")
_SAME = ["customer_id", "channel", "topic", "granted", "at", "source"]


@dataclass(frozen=True)
class ConsentRecordRow:
    """One consent record, granted or withdrawn: when, how, on which wording, and who recorded it."""

    customer_id: str
    channel: str
    topic: str
    granted: bool
    at: datetime
    source: str
    method: str
    text_version: str
    recorded_by: str
    recorded_at: datetime
    address: str


def write_records(connection: Connection, records: pl.DataFrame, *, by: str, now: datetime) -> int:
    """Write a batch (`CONSENT_COLUMNS`); returns how many are new: a repeated record counts once.

    An older record never overrules a newer one. A withdrawal with an address suppresses every customer id with that
    address, and a newer grant lifts the suppression of an earlier withdrawal.
    """
    new = _not_on_record(
        connection, records.with_columns(normalised(records["address"].fill_null("")).alias("address"))
    )
    if new.is_empty():
        return 0
    agreed = pl.col("granted").alias("agreed")
    _keep_latest(connection, new.sort("at").with_columns(agreed).select(_LATEST).rows())
    _close_requests(connection, new, now)
    note_revoked(connection, map(customer_key, new.filter(~pl.col("granted"))["customer_id"]))
    kept = new.with_columns(recorded_by=pl.lit(by), recorded_at=pl.lit(to_millis(now)))
    insert_rows(connection, ConsentRecord, tuple(kept.columns), kept.rows())
    for (channel, topic), part in new.filter(pl.col("address") != "").group_by("channel", "topic"):
        withdrawn = set(part.filter(~pl.col("granted"))["address"])
        lifted = suppressions.liftable_addresses(connection, part.filter("granted")["address"].unique().to_list())
        _update_suppressions(connection, sorted(withdrawn | lifted), str(channel), str(topic))
    return new.height


def record(
    connection: Connection,
    customers: Iterable[str],
    *,
    channel: str,
    topic: str,
    granted: bool,
    at: datetime,
    source: str,
    text_version: str = "",
    method: str = "",
    by: str = "",
    address: str = "",
    only_new: bool = False,
) -> int:
    """Record the same consent for many customers; returns how many records are new.

    only_new: leave customers alone who have a record already, as a default must. address: see `write_records`.
    """
    ids = list(dict.fromkeys(customers))
    if only_new:
        known = set(states(connection, ids, [channel], topic)["customer_id"])
        ids = [customer for customer in ids if customer not in known]
    fixed = {
        "channel": channel,
        "topic": topic,
        "granted": granted,
        "at": to_millis(at),
        "source": source,
        "text_version": text_version,
        "method": method,
        "address": address,
    }
    records = pl.DataFrame({"customer_id": pl.Series(ids, dtype=pl.String)}).with_columns(
        pl.lit(value, dtype=CONSENT_COLUMNS[name]).alias(name) for name, value in fixed.items()
    )
    return write_records(connection, records, by=by or source, now=at)


def states(connection: Connection, customers: Sequence[str], channels: Sequence[str], topic: str) -> pl.DataFrame:
    """The latest records of a batch on one topic; customers without one are absent.

    customer_id, channel, granted, state (`ConsentState`).
    """
    wanted = (_consent.c.customer_id, _consent.c.channel, _consent.c.granted, _consent.c.agreed)
    chunks = []
    for chunk in _chunks(customers):
        query = sa.select(*wanted).where(
            _consent.c.topic == topic, _consent.c.channel.in_(channels), _consent.c.customer_id.in_(chunk)
        )
        chunks.append(connection.execute(query).fetchall())
    rows = [tuple(row) for chunk in chunks for row in chunk]
    schema = {"customer_id": pl.String, "channel": pl.String, "granted": pl.Boolean, "agreed": pl.Boolean}
    found = pl.DataFrame(rows, schema=schema, orient="row")
    no = pl.when("agreed").then(pl.lit("withdrawn")).otherwise(pl.lit("refused"))
    return found.with_columns(pl.when("granted").then(pl.lit("given")).otherwise(no).alias("state")).drop("agreed")


def history(connection: Connection, customers: Sequence[str], addresses: Sequence[str] = ()) -> list[ConsentRecordRow]:
    """Every record of these customers and of these addresses (normalised), the oldest first."""
    query = (
        sa.select(_record)
        .where(sa.or_(_record.c.customer_id.in_(customers), _record.c.address.in_([a for a in addresses if a])))
        .order_by(_record.c.at, _record.c.id)
    )
    return [_record_row(row) for row in connection.execute(query)]


def all_records(connection: Connection) -> pl.DataFrame:
    """Every record, the oldest first: `CONSENT_COLUMNS`, recorded_by and recorded_at (milliseconds)."""
    names = (*CONSENT_COLUMNS, "recorded_by", "recorded_at")
    rows = connection.execute(sa.select(*(_record.c[name] for name in names)).order_by(_record.c.id)).fetchall()
    schema = {**CONSENT_COLUMNS, "recorded_by": pl.String(), "recorded_at": pl.Int64()}
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


def latest_record(connection: Connection, customer_id: str, channel: str, topic: str) -> ConsentRecordRow | None:
    """The record that counts now, with its proof; None if there is no consent on record."""
    records = [row for row in history(connection, [customer_id]) if (row.channel, row.topic) == (channel, topic)]
    return records[-1] if records else None


def name_records(records: Sequence[ConsentRecordRow]) -> list[tuple[ConsentRecordRow, ConsentState]]:
    """Each record (the oldest first) and what it was: a no is a withdrawal only after a yes of the same customer or
    address."""
    agreed: set[tuple[str, str, str]] = set()
    found: list[tuple[ConsentRecordRow, ConsentState]] = []
    for row in records:
        keys = {(row.channel, row.topic, who) for who in (row.customer_id, row.address) if who}
        found.append((row, "given" if row.granted else "withdrawn" if keys & agreed else "refused"))
        agreed |= keys if row.granted else set()
    return found


def _record_row(row: sa.Row[tuple[object, ...]]) -> ConsentRecordRow:
    values = dict(row._mapping)
    names = ("customer_id", "channel", "topic", "granted", "source", "method", "text_version", "recorded_by", "address")
    return ConsentRecordRow(
        **{name: values[name] for name in names},
        at=from_millis(values["at"]),
        recorded_at=from_millis(values["recorded_at"]),
    )


def _not_on_record(connection: Connection, records: pl.DataFrame) -> pl.DataFrame:
    """The records of a batch that are not stored yet, each once."""
    records = records.select(list(CONSENT_COLUMNS)).unique(_SAME, keep="first", maintain_order=True)
    rows = []
    for chunk in _chunks(records["customer_id"].unique().to_list()):
        query = sa.select(*(_record.c[name] for name in _SAME)).where(_record.c.customer_id.in_(chunk))
        rows += [tuple(row) for row in connection.execute(query)]
    known = pl.DataFrame(rows, schema={name: CONSENT_COLUMNS[name] for name in _SAME}, orient="row")
    return records.join(known, on=_SAME, how="anti", maintain_order="left")


def _update_suppressions(connection: Connection, addresses: Sequence[str], channel: str, topic: str) -> None:
    """Apply the latest record of each address to all its customer ids; at the same instant a withdrawal wins."""
    for chunk in _chunks(addresses):
        ranked = sa.func.row_number().over(
            partition_by=_record.c.address, order_by=(_record.c.at.desc(), _record.c.granted)
        )
        ever = sa.cast(sa.or_(_record.c.granted, sa.func.coalesce(_consent.c.agreed, sa.false())), sa.Integer)
        agreed = sa.func.max(ever).over(partition_by=_record.c.address)
        wanted = (_record.c.address, _record.c.granted, _record.c.at, _record.c.source, agreed.label("agreed"))
        records = (
            sa.select(*wanted, ranked.label("rank"))
            .outerjoin(_consent, sa.and_(*(_consent.c[name] == _record.c[name] for name in _KEY)))
            .where(_record.c.address.in_(chunk), _record.c.channel == channel, _record.c.topic == topic)
            .subquery()
        )
        latest = connection.execute(sa.select(records).where(records.c.rank == 1)).fetchall()
        suppressions.apply_latest_consents(connection, [tuple(row)[:5] for row in latest], channel=channel, topic=topic)


def _keep_latest(connection: Connection, rows: list[tuple[object, ...]]) -> None:
    """Replace what is no newer than these rows (`_LATEST`, the oldest first); by the driver's own executemany."""
    placeholder = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    connection.exec_driver_sql(_UPSERT.format(placeholders=", ".join([placeholder] * len(_LATEST))), rows)


def _close_requests(connection: Connection, records: pl.DataFrame, now: datetime) -> None:
    """Close open double opt-in requests: a later withdrawal ends them, as does a grant that needs no confirmation."""
    named = [_request.c[name] == sa.bindparam(f"the_{name}") for name in ("customer_id", "channel", "topic")]
    open_ = sa.or_(_request.c.state == "pending", _request.c.state == "asked")
    since = sa.or_(_request.c.requested_at <= sa.bindparam("the_at"), sa.bindparam("the_granted", type_=sa.Boolean()))
    closed = sa.update(_request).where(*named, open_, since)
    rows = [
        {"the_customer_id": c, "the_channel": ch, "the_topic": t, "the_at": at, "the_granted": yes,
         "becomes": "confirmed" if yes else "withdrawn"}
        for c, ch, t, yes, at in records.select("customer_id", "channel", "topic", "granted", "at").rows()
    ]  # fmt: skip
    if rows and connection.execute(sa.select(_request.c.id).where(open_).limit(1)).scalar() is not None:
        connection.execute(closed.values(state=sa.bindparam("becomes"), settled_at=to_millis(now)), rows)


def _chunks(values: Sequence[str], size: int = 5_000) -> Iterable[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


_UPSERT = (
    "INSERT INTO consent (customer_id, channel, topic, granted, at, source, agreed) "
    "VALUES ({placeholders}) "
    "ON CONFLICT (customer_id, channel, topic) DO UPDATE SET "
    "granted = CASE WHEN excluded.at >= consent.at THEN excluded.granted ELSE consent.granted END, "
    "source = CASE WHEN excluded.at >= consent.at THEN excluded.source ELSE consent.source END, "
    "at = CASE WHEN excluded.at >= consent.at THEN excluded.at ELSE consent.at END, "
    "agreed = (consent.agreed OR excluded.agreed)"
)
