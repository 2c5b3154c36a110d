"""Words on consent that come in: those of a topic with double opt-in wait until they are confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.config.settings import Settings
from automation.errors import ConfigurationError
from automation.event_types import CONSENT_GIVEN, UNSUBSCRIBE
from automation.inbound.identity import Person, person
from automation.store.inbox.inbox import InboxEvent
from automation.store.people import consent, double_opt_in
from automation.workspace.channels import channel_kinds
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class Taken:
    """How many words are new on record, and how many now wait for their confirmation."""

    recorded: int
    pending: int


def take_words(
    settings: Settings,
    connection: Connection,
    said: pl.DataFrame,
    *,
    by: str,
    now: datetime,
    confirmed: bool = False,
) -> Taken:
    """Record a batch (`consent.CONSENT_COLUMNS`).

    A grant for a topic with double opt-in becomes a request, unless it was confirmed already. A withdrawal counts at
    once.
    """
    topics = list(settings.consent.double_opt_in)
    waits = pl.col("granted") & pl.col("topic").is_in(topics) & (pl.col("address").fill_null("") != "")
    if confirmed:
        waits &= pl.lit(value=False)
    return Taken(
        consent.write_records(connection, said.filter(~waits), by=by, now=now),
        double_opt_in.add_requests(connection, said.filter(waits)),
    )


SPOKEN = {CONSENT_GIVEN: True, UNSUBSCRIBE: False}
"""The events that are words on consent, where they name a topic."""


def fault(settings: Settings, type_: str, attributes: Mapping[str, object]) -> tuple[str, str] | None:
    """What keeps an event from counting as a word on consent: the attribute and what is wrong with it, or None."""
    topic = attributes.get("topic")
    if type_ not in SPOKEN or topic is None:
        return None
    if topic not in settings.topics:
        return "topic", f"is not a topic of config.yaml: {', '.join(settings.topics)}"
    channel = attributes.get("channel", DEFAULT_CHANNEL)
    if channel not in settings.channels:
        return "channel", f"is not a channel of config.yaml: {', '.join(settings.channels)}"
    if SPOKEN[type_] and topic in settings.consent.double_opt_in and not attributes.get("address"):
        return "address", "is needed: this topic has double opt-in, and the address is asked to confirm"
    return None


def take_events(settings: Settings, connection: Connection, events: Sequence[InboxEvent], *, now: datetime) -> Taken:
    """What events say about consent, in the transaction that takes them into the inbox; the others say nothing.

    Attributes: topic; channel (email by default), address, source, method, text_version.
    """
    rows = [_word(settings, event) for event in events if event.type in SPOKEN and event.fields.get("topic")]
    if not rows:
        return Taken(0, 0)
    said = pl.DataFrame(rows, schema=consent.CONSENT_COLUMNS, orient="row")
    return take_words(settings, connection, said, by="events", now=now)


def _word(settings: Settings, event: InboxEvent) -> tuple[Any, ...]:
    fields = event.fields
    topic = str(fields["topic"])
    return (
        event.customer_id,
        str(fields.get("channel") or DEFAULT_CHANNEL),
        topic,
        SPOKEN[event.type],
        to_millis(event.occurred_at),
        str(fields.get("source") or "events"),
        str(fields.get("text_version") or settings.consent.text_versions.get(topic, "")),
        str(fields.get("method") or "event"),
        str(fields.get("address") or ""),
    )


DEFAULT_CHANNEL = "email"


def say(
    workspace: Workspace,
    wanted: str,
    *,
    granted: bool,
    channel: str,
    topics: Sequence[str],
    source: str,
    method: str,
    by: str,
    text_version: str = "",
) -> tuple[Person, int]:
    """Write down by hand what a person said: it holds for all their customer ids, and for their address.

    Returns the person and how many words are new. Raises `AutomationError` and `ConfigurationError`.
    """
    check_names(workspace, channel, topics)
    who, now = person(workspace, wanted), workspace.clock.now()
    kind = channel_kinds(workspace)[channel]
    address = next((form for form, its_kind in who.addresses.items() if its_kind == kind), "")
    versions = workspace.project.settings.consent.text_versions
    rows = [
        (
            customer,
            channel,
            topic,
            granted,
            to_millis(now),
            source,
            text_version or versions.get(topic, ""),
            method,
            address,
        )
        for customer in who.ids
        for topic in topics
    ]
    with workspace.store.transaction() as connection:
        said = pl.DataFrame(rows, schema=consent.CONSENT_COLUMNS, orient="row")
        recorded = consent.write_records(connection, said, by=by, now=now)
    return who, recorded


def check_names(workspace: Workspace, channel: str, topics: Sequence[str]) -> None:
    """Raises `ConfigurationError` for what config.yaml does not have; no channel at all means every one."""
    settings = workspace.project.settings
    for what, name, known in (
        ("channel", channel, settings.channels),
        *(("topic", topic, settings.topics) for topic in topics),
    ):
        if name and name not in known:
            raise ConfigurationError(f"config.yaml has no {what} {name!r}; it has: {', '.join(known) or 'none'}")
