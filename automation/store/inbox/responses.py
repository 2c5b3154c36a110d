"""What recipients do with a message: opens, clicks, consent; each event in one transaction with what it causes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import sqlalchemy as sa
from pydantic import JsonValue
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.event_types import CONSENT_GIVEN, MACHINE_CLICK, UNSUBSCRIBE
from automation.store.engine import table
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.store.people import consent, suppressions
from automation.store.people.permission import may_track
from automation.store.tables import Consent, Inbox, Message, MessageStatus, Run
from automation.types.message import MessageState

_message, _status, _run = table(Message), table(MessageStatus), table(Run)
_inbox, _consent = table(Inbox), table(Consent)


@dataclass(frozen=True)
class MessageRecipient:
    """A message that somebody responds to, and to whom it went."""

    id: str
    customer_id: str
    campaign: str
    channel: str
    topic: str
    address: str
    language: str
    granted_at: datetime | None
    """When its sending was granted; None where it never was."""


def find_recipient(connection: Connection, message_id: str) -> MessageRecipient | None:
    """The message and its recipient; None if it is unknown or its customer was erased."""
    columns = [_message.c[name] for name in ("id", "customer_id", "channel", "topic", "address", "context")]
    query = (
        sa.select(*columns, _status.c.state, _status.c.granted_at, _run.c.campaign)
        .join(_status, _status.c.message_id == _message.c.id)
        .join(_run, _run.c.id == _message.c.run_id)
        .where(_message.c.id == message_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.state == MessageState.ERASED.value:
        return None
    return MessageRecipient(
        id=row.id,
        customer_id=row.customer_id,
        campaign=row.campaign,
        channel=row.channel,
        topic=row.topic,
        address=row.address,
        language=str(json.loads(row.context).get("language") or ""),
        granted_at=None if row.granted_at is None else from_millis(row.granted_at),
    )


def make_event(
    message: MessageRecipient, type_: str, *, at: datetime, event_id: str, **attributes: JsonValue
) -> InboxEvent:
    """An event about a message; an attribute that is None is left out."""
    fields = {name: value for name, value in attributes.items() if value is not None}
    about: dict[str, JsonValue] = {"campaign": message.campaign, "channel": message.channel}
    return InboxEvent(event_id, message.customer_id, type_, at, message.id, {**about, **fields})


def event_id_of(message: MessageRecipient, key: str, at: datetime) -> str:
    """The id of an event that a message has at most once a second for the same `key`."""
    return f"{key}:{message.id}:{to_millis(at) // 1000}"


@dataclass(frozen=True)
class Proof:
    """When and how somebody agreed or refused, and the version of the wording that they saw."""

    at: datetime
    source: str
    method: str
    text_version: str = ""


def record_consents(
    connection: Connection,
    message: MessageRecipient,
    choices: Mapping[tuple[str, str], bool],
    proof: Proof,
    *,
    client: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Record what the recipient chose: (channel, topic) → yes or no. A repeated no is not recorded.

    On the message's own channel the choice holds for its address too, under whatever customer id. A no becomes an
    `unsubscribe` event and a yes `consent_given`, each with what is known of the `client`.
    """
    for (channel, topic), granted in choices.items():
        if granted:
            _record(connection, message, channel, topic, proof, granted=True)
        elif not withdraw_consent(connection, message, channel, topic, proof):
            continue
        type_ = CONSENT_GIVEN if granted else UNSUBSCRIBE
        event_id = event_id_of(message, f"{type_}:{channel}.{topic}", proof.at)
        event = make_event(message, type_, at=proof.at, event_id=event_id, topic=topic, method=proof.method)
        fields = {**event.fields, **client, "channel": channel, "source": proof.source}
        inbox.add_events(connection, [event._replace(fields=fields)], now=proof.at)


def withdraw_consent(connection: Connection, message: MessageRecipient, channel: str, topic: str, proof: Proof) -> bool:
    """Record a no to a topic, and suppress the message's address for it; returns whether it was not on record yet."""
    if channel == message.channel:
        suppressions.suppress(
            connection, [message.address], channel=channel, topic=topic, reason="unsubscribed", source=proof.source,
            now=proof.at,
        )  # fmt: skip
    if latest_consents(connection, message.customer_id).get((channel, topic)) is False:
        return False
    _record(connection, message, channel, topic, proof, granted=False)
    return True


def _record(
    connection: Connection, message: MessageRecipient, channel: str, topic: str, proof: Proof, *, granted: bool
) -> None:
    consent.record(
        connection, [message.customer_id], channel=channel, topic=topic, granted=granted, at=proof.at,
        source=proof.source, method=proof.method, text_version=proof.text_version,
        address=message.address if channel == message.channel else "",
    )  # fmt: skip


def latest_consents(connection: Connection, customer_id: str) -> dict[tuple[str, str], bool]:
    """Every latest consent record of a customer: (channel, topic) → yes or no."""
    query = sa.select(_consent.c.channel, _consent.c.topic, _consent.c.granted).where(
        _consent.c.customer_id == customer_id
    )
    return {(row.channel, row.topic): bool(row.granted) for row in connection.execute(query)}


def may_track_now(connection: Connection, message: MessageRecipient, topic: str) -> bool:
    """Whether the recipient's consent to this topic, which config.yaml names in `consent.tracking`, still holds."""
    agrees = latest_consents(connection, message.customer_id).get((message.channel, topic))
    listed = suppressions.suppressed(connection, [message.address], message.channel, topic)
    code = next((row.code for row in listed.values()), None)
    return may_track(consent="given" if agrees else None, suppression=code)


def mark_bot_clicks(connection: Connection, event_ids: Sequence[str], *, why: str) -> None:
    """Turn clicks that seemed to be a person's into a bot's; what the warehouse already has stays as it is."""
    query = sa.select(_inbox.c.id, _inbox.c.fields).where(_inbox.c.event_id.in_(event_ids), _inbox.c.flush.is_(None))
    for row in connection.execute(query).all():
        changed = {"type": MACHINE_CLICK, "fields": json.dumps({**json.loads(row.fields), "why": why})}
        connection.execute(sa.update(_inbox).where(_inbox.c.id == row.id).values(changed))
