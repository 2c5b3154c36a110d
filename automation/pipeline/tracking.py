"""Whose opens and clicks may be counted, where config.yaml names a topic for it in `consent.tracking`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy.engine import Connection

from automation.store.people import consent
from automation.store.people.known_then import states_then, suppressed_then
from automation.store.people.permission import consent_refusals


@dataclass(frozen=True)
class TrackingPolicy:
    """topic: whose consent is needed. channels: those whose messages count clicks, and perhaps opens."""

    topic: str
    channels: Collection[str]


def find_untracked(
    messages: pl.DataFrame,
    policy: TrackingPolicy | None,
    connection: Connection,
    *,
    known_until: datetime | None = None,
) -> pl.DataFrame:
    """The messages that may carry neither pixel nor tracked links: customer_id, and why as a reason code.

    messages: customer_id, channel, address. policy: None where no consent is needed. The commit that grants a message
    decides again.
    """
    nobody = pl.DataFrame(schema={"customer_id": pl.String, "code": pl.String})
    if policy is None:
        return nobody
    counted = messages.filter(pl.col("channel").is_in(list(policy.channels))).select(
        "customer_id", "channel", "address"
    )
    found = [
        _of_channel(theirs, str(channel), policy.topic, connection, known_until)
        for (channel,), theirs in counted.group_by("channel", maintain_order=True)
    ]
    return pl.concat(found) if found else nobody


def _of_channel(
    messages: pl.DataFrame, channel: str, topic: str, connection: Connection, known_until: datetime | None
) -> pl.DataFrame:
    ids, addresses = messages["customer_id"].to_list(), messages["address"].drop_nulls().unique().to_list()
    if known_until is None:
        words = consent.states(connection, ids, [channel], topic)
        listed = consent.suppressed(connection, addresses, channel, topic)
    else:
        words = states_then(connection, ids, [channel], topic, until=known_until)
        listed = suppressed_then(connection, addresses, channel, topic, until=known_until)
    suppression = pl.col("address").replace_strict(
        list(listed), [row.code for row in listed.values()], default=None, return_dtype=pl.String
    )
    stated = messages.join(words.select("customer_id", "state"), on="customer_id", how="left", maintain_order="left")
    code = pl.coalesce(consent_refusals(pl.col("state"), marketing=True), suppression)
    return stated.select("customer_id", code.alias("code")).drop_nulls("code")
