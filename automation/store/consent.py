"""Recorded permission per channel and topic, and addresses that nothing may be sent to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.tables import Consent, ConsentRecord, Suppression

_consent, _record, _suppression = table(Consent), table(ConsentRecord), table(Suppression)
_CONSENT_COLUMNS = ("customer_id", "channel", "topic", "granted", "at", "source", "text_version")


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
    only_new: bool = False,
) -> int:
    """Record a word of many customers; returns how many were recorded.

    An older word never overrules a newer one. `only_new` keeps every existing word, as a stated default must.
    """
    upsert = (
        "INSERT INTO consent (customer_id, channel, topic, granted, at, source, text_version) "
        "VALUES (:customer_id, :channel, :topic, :granted, :at, :source, :text_version) "
        "ON CONFLICT (customer_id, channel, topic) DO UPDATE SET granted = excluded.granted, at = excluded.at, "
        "source = excluded.source, text_version = excluded.text_version WHERE excluded.at >= consent.at"
    )
    fixed = {
        "channel": channel,
        "topic": topic,
        "granted": granted,
        "at": to_millis(at),
        "source": source,
        "text_version": text_version,
    }
    ids = list(customers)
    if only_new:
        known = set(states(connection, ids, [channel], topic)["customer_id"])
        ids = [customer for customer in ids if customer not in known]
    rows = [{"customer_id": customer, **fixed} for customer in ids]
    if rows:
        connection.execute(sa.text(upsert), rows)
        connection.execute(sa.insert(_record), rows)
    return len(rows)


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


def suppress(
    connection: Connection, addresses: Iterable[str], *, channel: str, reason: str, source: str, now: datetime
) -> None:
    """Never send to these addresses again on this channel."""
    rows = [
        {"channel": channel, "address": normalise(address), "reason": reason, "at": to_millis(now), "source": source}
        for address in addresses
    ]
    if rows:
        statement = (
            "INSERT INTO suppression (channel, address, reason, at, source) "
            "VALUES (:channel, :address, :reason, :at, :source) ON CONFLICT (channel, address) DO NOTHING"
        )
        connection.execute(sa.text(statement), rows)


def unsuppress(connection: Connection, address: str, *, channel: str) -> bool:
    """Take an address off the list; returns whether it was on it."""
    found = (_suppression.c.channel == channel) & (_suppression.c.address == normalise(address))
    return connection.execute(sa.delete(_suppression).where(found)).rowcount > 0


def suppressed(connection: Connection, addresses: Sequence[str], channel: str) -> dict[str, str]:
    """Those of the addresses (normalised) that are on the list, with the reason."""
    found: dict[str, str] = {}
    for chunk in _chunks(addresses):
        query = sa.select(_suppression.c.address, _suppression.c.reason).where(
            _suppression.c.channel == channel, _suppression.c.address.in_(chunk)
        )
        found.update((row.address, row.reason) for row in connection.execute(query))
    return found


def normalise(address: str) -> str:
    """How addresses are compared: trimmed and lower-cased."""
    return address.strip().lower()


def _chunks(values: Sequence[str], size: int = 5_000) -> Iterable[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))
