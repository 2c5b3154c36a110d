"""What recipients answer to a message: opens, clicks, words on consent; each event with what it causes, together."""

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
from automation.store.engine import table
from automation.store.inbox import inbox
from automation.store.people import consent
from automation.store.tables import Consent, Inbox, Message, Run
from automation.types.message import MessageState

_message, _run, _inbox, _consent = table(Message), table(Run), table(Inbox), table(Consent)


@dataclass(frozen=True)
class Answered:
    """The message that an answer speaks of, and to whom it went."""

    id: str
    customer_id: str
    campaign: str
    channel: str
    topic: str
    address: str
    language: str
    granted_at: datetime | None
    """When its sending was granted; None where it never was."""


def answered(connection: Connection, message_id: str) -> Answered | None:
    """The message, or None where it is unknown or its customer was erased."""
    columns = [_message.c[name] for name in ("id", "customer_id", "channel", "topic", "address", "state", "context")]
    query = (
        sa.select(*columns, _message.c.granted_at, _run.c.campaign)
        .join(_run, _run.c.id == _message.c.run_id)
        .where(_message.c.id == message_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.state == MessageState.ERASED.value:
        return None
    return Answered(
        id=row.id,
        customer_id=row.customer_id,
        campaign=row.campaign,
        channel=row.channel,
        topic=row.topic,
        address=row.address,
        language=str(json.loads(row.context).get("language") or ""),
        granted_at=None if row.granted_at is None else from_millis(row.granted_at),
    )


def event(
    message: Answered, type_: str, *, at: datetime, key: str, **attributes: str | float | bool | None
) -> dict[str, JsonValue]:
    """An inbox row about a message. Of the same `key` a message has one event a second, whatever its type."""
    return {
        "event_id": f"{key}:{message.id}:{to_millis(at) // 1000}",
        "customer_id": message.customer_id,
        "type": type_,
        "occurred_at": at.isoformat(),
        "message_id": message.id,
        "campaign": message.campaign,
        "channel": message.channel,
        **{name: value for name, value in attributes.items() if value is not None},
    }


def speak(
    connection: Connection,
    message: Answered,
    words: Mapping[tuple[str, str], bool],
    *,
    at: datetime,
    source: str,
    method: str,
    text_version: str = "",
    seen: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """What the recipient said: (channel, topic) → yes or no, with its proof; what was said already is not repeated.

    On the message's own channel the word is about its address too, whatever customer id it stands under. A no is an
    `unsubscribe` event, a yes `consent_given`, each with what was `seen` of who asked.
    """
    known = said(connection, message.customer_id)
    for (channel, topic), granted in words.items():
        address = message.address if channel == message.channel else ""
        if not granted and address:
            consent.suppress(
                connection, [address], channel=channel, topic=topic, reason="unsubscribed", source=source, now=at
            )
        if known.get((channel, topic)) is False and not granted:
            continue
        consent.record(
            connection, [message.customer_id], channel=channel, topic=topic, granted=granted, at=at, source=source,
            method=method, text_version=text_version, address=address,
        )  # fmt: skip
        kind = "consent_given" if granted else "unsubscribe"
        found = event(message, kind, at=at, key=f"{kind}:{channel}.{topic}", topic=topic, method=method)
        inbox.take(connection, [{**found, **seen, "channel": channel}], now=at)


def said(connection: Connection, customer_id: str) -> dict[tuple[str, str], bool]:
    """Every latest word of a customer: (channel, topic) → yes or no."""
    query = sa.select(_consent.c.channel, _consent.c.topic, _consent.c.granted).where(
        _consent.c.customer_id == customer_id
    )
    return {(row.channel, row.topic): bool(row.granted) for row in connection.execute(query)}


def mark_machine(connection: Connection, event_ids: Sequence[str], *, why: str) -> None:
    """Clicks that a person seemed to have made were a machine's after all; what the warehouse has already, stays."""
    query = sa.select(_inbox.c.id, _inbox.c.body).where(_inbox.c.event_id.in_(event_ids), _inbox.c.flush.is_(None))
    for row in connection.execute(query).all():
        marked = json.dumps({**json.loads(row.body), "type": "machine_click", "why": why})
        connection.execute(sa.update(_inbox).where(_inbox.c.id == row.id).values(body=marked))
