"""Incoming consents, from imports, events and by hand; grants for a topic with double opt-in wait for confirmation."""

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
from automation.inbound.identity import Person, find_on_record, find_person
from automation.store.inbox.inbox import InboxEvent
from automation.store.people import consent, double_opt_in
from automation.workspace.channels import channel_kinds
from automation.workspace.opened import Opened
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class ConsentCounts:
    """How many records are new, and how many grants now wait for confirmation."""

    recorded: int
    pending: int


def accept_consents(
    settings: Settings,
    connection: Connection,
    records: pl.DataFrame,
    *,
    by: str,
    now: datetime,
    confirmed: bool = False,
) -> ConsentCounts:
    """Record a batch (`consent.CONSENT_COLUMNS`).

    A grant for a topic with double opt-in becomes a request, unless it was confirmed already. A withdrawal counts at
    once.
    """
    topics = list(settings.consent.double_opt_in)
    waiting = pl.col("granted") & pl.col("topic").is_in(topics) & (pl.col("address").fill_null("") != "")
    if confirmed:
        waiting &= pl.lit(value=False)
    return ConsentCounts(
        consent.write_records(connection, records.filter(~waiting), by=by, now=now),
        double_opt_in.add_requests(connection, records.filter(waiting)),
    )


CONSENT_EVENTS = {CONSENT_GIVEN: True, UNSUBSCRIBE: False}
"""The event types that are consent records if they name a topic: type → granted."""


def find_event_fault(settings: Settings, type_: str, attributes: Mapping[str, object]) -> tuple[str, str] | None:
    """Why an event can't be a consent record: the attribute and what is wrong with it; None if it can, or is none."""
    topic = attributes.get("topic")
    if type_ not in CONSENT_EVENTS or topic is None:
        return None
    if topic not in settings.topics:
        return "topic", f"is not a topic of config.yaml: {', '.join(settings.topics)}"
    channel = attributes.get("channel", DEFAULT_CHANNEL)
    if channel not in settings.channels:
        return "channel", f"is not a channel of config.yaml: {', '.join(settings.channels)}"
    if CONSENT_EVENTS[type_] and topic in settings.consent.double_opt_in and not attributes.get("address"):
        return "address", "is needed: this topic has double opt-in, and the address is asked to confirm"
    return None


def accept_consent_events(
    settings: Settings, connection: Connection, events: Sequence[InboxEvent], *, now: datetime
) -> ConsentCounts:
    """Record the consents among the events, in the transaction that adds them to the inbox.

    Attributes: topic; channel (email by default), address, source, method, text_version.
    """
    rows = [
        _record_of(settings, event) for event in events if event.type in CONSENT_EVENTS and event.fields.get("topic")
    ]
    if not rows:
        return ConsentCounts(0, 0)
    records = pl.DataFrame(rows, schema=consent.CONSENT_COLUMNS, orient="row")
    return accept_consents(settings, connection, records, by="events", now=now)


def _record_of(settings: Settings, event: InboxEvent) -> tuple[Any, ...]:
    fields = event.fields
    topic = str(fields["topic"])
    return (
        event.customer_id,
        str(fields.get("channel") or DEFAULT_CHANNEL),
        topic,
        CONSENT_EVENTS[event.type],
        to_millis(event.occurred_at),
        str(fields.get("source") or "events"),
        str(fields.get("text_version") or settings.consent.text_versions.get(topic, "")),
        str(fields.get("method") or "event"),
        str(fields.get("address") or ""),
    )


DEFAULT_CHANNEL = "email"


def record_by_hand(
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
    """Record a consent by hand, for all customer ids of a person and for their address.

    Returns the person and how many records are new. Raises `AutomationError` and `ConfigurationError`.
    """
    check_names(workspace, channel, topics)
    who, now = find_person(workspace, wanted), workspace.clock.now()
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
        records = pl.DataFrame(rows, schema=consent.CONSENT_COLUMNS, orient="row")
        recorded = consent.write_records(connection, records, by=by, now=now)
    return who, recorded


def withdraw_on_record(
    opened: Opened, wanted: str, *, channel: str, topics: Sequence[str], source: str, by: str
) -> tuple[Person, int]:
    """Withdraw by hand with the store alone: for the customer ids and addresses of which something is on record.

    A withdrawal must always be possible, so channel and topic are not checked. Raises `AutomationError` for nobody.
    """
    who, now = find_on_record(opened, wanted), opened.clock.now()
    with opened.store.transaction() as connection:
        known = consent.history(connection, who.ids, list(who.addresses))
        addresses = dict.fromkeys([*(row.address for row in known if row.channel == channel), *who.addresses])
        address = next(filter(None, addresses), "")
        rows = [
            (customer, channel, topic, False, to_millis(now), source, "", "by hand", address)
            for customer in who.ids
            for topic in topics
        ]
        records = pl.DataFrame(rows, schema=consent.CONSENT_COLUMNS, orient="row")
        return who, consent.write_records(connection, records, by=by, now=now)


def check_names(opened: Opened, channel: str, topics: Sequence[str]) -> None:
    """Raises `ConfigurationError` for a channel or topic that config.yaml does not have; "" is every channel.

    Where config.yaml was not read, for any name.
    """
    if opened.project is None:
        if channel or topics:
            what = "config.yaml can't be read, so no channel or topic can be checked; without them, all are meant"
            raise ConfigurationError(what)
        return
    settings = opened.project.settings
    for what, name, known in (
        ("channel", channel, settings.channels),
        *(("topic", topic, settings.topics) for topic in topics),
    ):
        if name and name not in known:
            raise ConfigurationError(f"config.yaml has no {what} {name!r}; it has: {', '.join(known) or 'none'}")
