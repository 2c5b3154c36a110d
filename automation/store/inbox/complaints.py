"""Bounces and complaints as they come in, by the campaign and channel of their message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.tables import Inbox, Message, Run

_inbox, _message, _run = table(Inbox), table(Message), table(Run)
Kind = Literal["bounce", "complaint"]
_KINDS: Mapping[str, Kind] = {"email_bounce": "bounce", "sms_failed": "bounce", "email_complaint": "complaint"}
_DELAYED = "delayed"
"""An event's `kind` where the message is still on its way."""
_AT_ONCE = 5_000


class Answer(NamedTuple):
    """One message that came back, or was called spam."""

    kind: Kind
    message: str
    campaign: str
    channel: str


def since(connection: Connection, cursor: int) -> tuple[list[Answer], int]:
    """What came in after the inbox row `cursor`, at most 5,000 rows of it, and where to look on from."""
    last = int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_inbox.c.id), 0))).scalar_one())
    told = sa.or_(*(_inbox.c.body.like(f'%"{type_}"%') for type_ in _KINDS))
    query = sa.select(_inbox.c.id, _inbox.c.body).where(_inbox.c.id > cursor, _inbox.c.id <= last, told)
    events = connection.execute(query.order_by(_inbox.c.id).limit(_AT_ONCE)).all()
    if len(events) == _AT_ONCE:
        last = events[-1].id
    found = dict(_told([row.body for row in events]))
    mine = (
        sa.select(_message.c.id, _run.c.campaign, _message.c.channel)
        .join(_run, _run.c.id == _message.c.run_id)
        .where(_message.c.id.in_(list(found)))
    )
    rows = connection.execute(mine).all() if found else []
    return [Answer(found[row.id], row.id, row.campaign, row.channel) for row in rows], last


def begin(connection: Connection, at: datetime) -> int:
    """The inbox row from which to look on: the last one from before then."""
    query = sa.select(sa.func.max(_inbox.c.id)).where(_inbox.c.received_at < to_millis(at))
    return int(connection.execute(query).scalar() or 0)


def sent(connection: Connection, campaign: str | None, channel: str, since_: datetime) -> int:
    """How many messages left since then: of a campaign, or of all."""
    query = (
        sa.select(sa.func.count())
        .select_from(_message.join(_run, _run.c.id == _message.c.run_id))
        .where(_message.c.state == "sent", _message.c.channel == channel, _message.c.settled_at >= to_millis(since_))
    )
    if campaign is not None:
        query = query.where(_run.c.campaign == campaign)
    return int(connection.execute(query).scalar_one())


def _told(bodies: Sequence[str]) -> Iterator[tuple[str, Kind]]:
    for body in bodies:
        event = json.loads(body)
        kind = _KINDS.get(str(event.get("type")))
        if kind is not None and event.get("message_id") and event.get("kind") != _DELAYED:
            yield str(event["message_id"]), kind
