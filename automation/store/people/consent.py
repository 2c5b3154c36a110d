"""Recorded permission per channel and topic, with proof.

A word is kept for good in `consent_record`; `consent` holds the latest one of each customer. A word that is a person's
own and comes with an address also holds for every other customer id with that address: `suppressions` has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.engine import insert_rows, table
from automation.store.people import suppressions
from automation.store.people.suppressions import suppress, suppressed, unsuppress
from automation.store.tables import Consent, ConsentRecord, ConsentRequest
from automation.types.address import normalise, normalised

__all__ = [
    "WORDS",
    "Word",
    "every_word",
    "history",
    "normalise",
    "record",
    "states",
    "suppress",
    "suppressed",
    "unsuppress",
    "word",
    "write",
]

_consent, _record, _request = table(Consent), table(ConsentRecord), table(ConsentRequest)

WORDS = pl.Schema(
    {
        "customer_id": pl.String(),
        "channel": pl.String(),
        "topic": pl.String(),
        "granted": pl.Boolean(),
        "at": pl.Int64(),  # milliseconds
        "source": pl.String(),
        "text_version": pl.String(),
        "method": pl.String(),
        "address": pl.String(),  # null or "" where it is not known, or where the word is only about this customer id
    }
)
_LATEST = tuple(name for name in WORDS if name not in ("method", "address"))
_SAME = ["customer_id", "channel", "topic", "granted", "at", "source"]


@dataclass(frozen=True)
class Word:
    """What somebody said about one channel and topic: when, how, on which text, and who wrote it down."""

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


def write(connection: Connection, said: pl.DataFrame, *, by: str, now: datetime) -> int:
    """Record a batch of words (`WORDS`); returns how many were new: the same word twice is one.

    An older word never overrules a newer one. A word with an address is its owner's: a withdrawal then stops every
    customer id with that address, and a newer yes lifts what an earlier withdrawal stopped.
    """
    news = _unknown(connection, said.with_columns(normalised(said["address"].fill_null("")).alias("address")))
    if news.is_empty():
        return 0
    _keep_latest(connection, news.sort("at").select(_LATEST).rows())
    _close_requests(connection, news, now)
    kept = news.with_columns(recorded_by=pl.lit(by), recorded_at=pl.lit(to_millis(now)))
    insert_rows(connection, ConsentRecord, tuple(kept.columns), kept.rows())
    for (channel, topic), part in news.filter(pl.col("address") != "").group_by("channel", "topic"):
        said_no = set(part.filter(~pl.col("granted"))["address"])
        lifting = suppressions.liftable(connection, part.filter("granted")["address"].unique().to_list())
        _follow(connection, sorted(said_no | lifting), str(channel), str(topic))
    return news.height


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
    """Record one word of many customers; returns how many were recorded.

    `only_new` keeps every existing word, as a stated default must. `address` makes it the word of its owner (`write`).
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
    said = pl.DataFrame({"customer_id": pl.Series(ids, dtype=pl.String)}).with_columns(
        pl.lit(value, dtype=WORDS[name]).alias(name) for name, value in fixed.items()
    )
    return write(connection, said, by=by or source, now=at)


def states(connection: Connection, customers: Sequence[str], channels: Sequence[str], topic: str) -> pl.DataFrame:
    """The words of a batch on one topic: customer_id, channel, granted. Without a word a customer is absent."""
    frames = []
    for chunk in _chunks(customers):
        query = sa.select(_consent.c.customer_id, _consent.c.channel, _consent.c.granted).where(
            _consent.c.topic == topic, _consent.c.channel.in_(channels), _consent.c.customer_id.in_(chunk)
        )
        frames.append(connection.execute(query).fetchall())
    rows = [tuple(row) for found in frames for row in found]
    return pl.DataFrame(
        rows, schema={"customer_id": pl.String, "channel": pl.String, "granted": pl.Boolean}, orient="row"
    )


def history(connection: Connection, customers: Sequence[str], addresses: Sequence[str] = ()) -> list[Word]:
    """Every word of these customers, and of everybody with one of these addresses (normalised): the oldest first."""
    query = (
        sa.select(_record)
        .where(sa.or_(_record.c.customer_id.in_(customers), _record.c.address.in_([a for a in addresses if a])))
        .order_by(_record.c.at, _record.c.id)
    )
    return [_word(row) for row in connection.execute(query)]


def every_word(connection: Connection) -> pl.DataFrame:
    """The whole record, the oldest first: `WORDS` with recorded_by and recorded_at (milliseconds)."""
    names = (*WORDS, "recorded_by", "recorded_at")
    rows = connection.execute(sa.select(*(_record.c[name] for name in names)).order_by(_record.c.id)).fetchall()
    schema = {**WORDS, "recorded_by": pl.String(), "recorded_at": pl.Int64()}
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


def word(connection: Connection, customer_id: str, channel: str, topic: str) -> Word | None:
    """What counts of a customer now, with its proof; None where they never said anything."""
    mine = [w for w in history(connection, [customer_id]) if (w.channel, w.topic) == (channel, topic)]
    return max(mine, key=lambda w: w.at, default=None)


def _word(row: sa.Row[tuple[object, ...]]) -> Word:
    values = dict(row._mapping)
    names = ("customer_id", "channel", "topic", "granted", "source", "method", "text_version", "recorded_by", "address")
    return Word(
        **{name: values[name] for name in names},
        at=from_millis(values["at"]),
        recorded_at=from_millis(values["recorded_at"]),
    )


def _unknown(connection: Connection, said: pl.DataFrame) -> pl.DataFrame:
    """The words that are not on record yet; of words said twice in the batch, one."""
    said = said.select(list(WORDS)).unique(_SAME, keep="first", maintain_order=True)
    rows = []
    for chunk in _chunks(said["customer_id"].unique().to_list()):
        query = sa.select(*(_record.c[name] for name in _SAME)).where(_record.c.customer_id.in_(chunk))
        rows += [tuple(row) for row in connection.execute(query)]
    known = pl.DataFrame(rows, schema={name: WORDS[name] for name in _SAME}, orient="row")
    return said.join(known, on=_SAME, how="anti", maintain_order="left")


def _follow(connection: Connection, addresses: Sequence[str], channel: str, topic: str) -> None:
    """Let the latest word of each address decide for all customer ids with it; at the same instant a no outranks."""
    for chunk in _chunks(addresses):
        ranked = sa.func.row_number().over(
            partition_by=_record.c.address, order_by=(_record.c.at.desc(), _record.c.granted)
        )
        words = (
            sa.select(_record.c.address, _record.c.granted, _record.c.at, _record.c.source, ranked.label("place"))
            .where(_record.c.address.in_(chunk), _record.c.channel == channel, _record.c.topic == topic)
            .subquery()
        )
        latest = connection.execute(sa.select(words).where(words.c.place == 1)).fetchall()
        suppressions.follow(connection, [tuple(row)[:4] for row in latest], channel=channel, topic=topic)


def _keep_latest(connection: Connection, rows: list[tuple[object, ...]]) -> None:
    """The words (`_LATEST`, the oldest first) that are no older than what is there; by the driver's own executemany."""
    place = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    connection.exec_driver_sql(_UPSERT.format(places=", ".join([place] * len(_LATEST))), rows)


def _close_requests(connection: Connection, said: pl.DataFrame, now: datetime) -> None:
    """Who said no since is not asked to confirm a yes, nor is who agreed for good by another way."""
    named = [_request.c[name] == sa.bindparam(f"the_{name}") for name in ("customer_id", "channel", "topic")]
    open_ = sa.or_(_request.c.state == "pending", _request.c.state == "asked")
    since = sa.or_(_request.c.requested_at <= sa.bindparam("said_at"), sa.bindparam("the_granted", type_=sa.Boolean()))
    closed = sa.update(_request).where(*named, open_, since)
    rows = [
        {"the_customer_id": c, "the_channel": ch, "the_topic": t, "said_at": at, "the_granted": yes,
         "becomes": "confirmed" if yes else "withdrawn"}
        for c, ch, t, yes, at in said.select("customer_id", "channel", "topic", "granted", "at").rows()
    ]  # fmt: skip
    if rows and connection.execute(sa.select(_request.c.id).where(open_).limit(1)).scalar() is not None:
        connection.execute(closed.values(state=sa.bindparam("becomes"), settled_at=to_millis(now)), rows)


def _chunks(values: Sequence[str], size: int = 5_000) -> Iterable[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


_UPSERT = (
    "INSERT INTO consent (customer_id, channel, topic, granted, at, source, text_version) "
    "VALUES ({places}) "
    "ON CONFLICT (customer_id, channel, topic) DO UPDATE SET granted = excluded.granted, at = excluded.at, "
    "source = excluded.source, text_version = excluded.text_version WHERE excluded.at >= consent.at"
)
