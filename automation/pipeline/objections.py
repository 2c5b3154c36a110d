"""Who objected to profiling (GDPR Art. 21(2)): a no to the topic that config.yaml names in `consent.profiling`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy.engine import Connection

from automation.messages.render import Kind
from automation.store.people import consent
from automation.store.people.known_then import states_then, suppressed_then
from automation.store.people.suppressions import OWNER_REASONS
from automation.types.address import ADDRESS_COLUMN

REASON = "profiling_objection"


@dataclass(frozen=True)
class ObjectionPolicy:
    """topic: whose refusal is the objection. channels: every channel of the shop and its kind of address; a no on one
    counts on all. profiles: whether the campaign chooses people by profiling, for marketing."""

    topic: str
    channels: Mapping[str, Kind]
    profiles: bool


def find_objectors(
    batch: pl.DataFrame, policy: ObjectionPolicy, connection: Connection, *, known_until: datetime | None = None
) -> list[str]:
    """The customers of the batch who object, themselves or under another id with the same address."""
    ids, names = batch["customer_id"], list(policy.channels)
    if known_until is None:
        words = consent.states(connection, ids.to_list(), names, policy.topic)
    else:
        words = states_then(connection, ids.to_list(), names, policy.topic, until=known_until)
    objects = ids.is_in(words.filter(~pl.col("granted"))["customer_id"].to_list())
    for channel, kind in policy.channels.items():
        column = ADDRESS_COLUMN[kind]
        if column in batch.columns:
            addresses = batch[column].str.strip_chars()
            known = addresses.drop_nulls().unique().to_list()
            if known_until is None:
                rows = consent.suppressed(connection, known, channel, policy.topic)
            else:
                rows = suppressed_then(connection, known, channel, policy.topic, until=known_until)
            own = [a for a, row in rows.items() if row.topic == policy.topic and row.reason in OWNER_REASONS]
            objects |= addresses.is_in(own).fill_null(False)
    return ids.filter(objects).to_list()
