"""Bounces and complaints as they arrive, by the campaign and channel of their message: what automatic pauses count."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.event_types import EMAIL_BOUNCE, EMAIL_COMPLAINT, SMS_FAILED
from automation.store.engine import table
from automation.store.tables import Inbox, Message, MessageStatus, Run
from automation.types.message import MessageState

_inbox, _message, _status, _run = table(Inbox), table(Message), table(MessageStatus), table(Run)
Kind = Literal["bounce", "complaint"]
_KINDS: Mapping[str, Kind] = {EMAIL_BOUNCE: "bounce", SMS_FAILED: "bounce", EMAIL_COMPLAINT: "complaint"}
AT_ONCE = 5_000


class NegativeFeedback(NamedTuple):
    """One message that bounced or that its recipient called spam."""

    kind: Kind
    message_id: str
    campaign: str
    channel: str


def read_negative_feedback(connection: Connection, cursor: int) -> tuple[list[NegativeFeedback], int]:
    """What arrived after the inbox row `cursor`, at most 5,000 events of it, and the next cursor.

    A message that the channel itself failed is left out: pauses count it as a failure already.
    """
    last = int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(_inbox.c.id), 0))).scalar_one())
    query = (
        sa.select(_inbox.c.id, _inbox.c.type, _inbox.c.message_id)
        .where(_inbox.c.type.in_(_KINDS), _inbox.c.id > cursor, _inbox.c.id <= last)
        .order_by(_inbox.c.id)
        .limit(AT_ONCE)
    )
    events = connection.execute(query).all()
    if len(events) == AT_ONCE:
        last = events[-1].id
    kinds = {row.message_id: _KINDS[row.type] for row in events if row.message_id}
    if not kinds:
        return [], last
    messages = (
        sa.select(_message.c.id, _run.c.campaign, _message.c.channel)
        .join(_status, _status.c.message_id == _message.c.id)
        .join(_run, _run.c.id == _message.c.run_id)
        .where(_message.c.id.in_(list(kinds)), _status.c.state != MessageState.FAILED.value)
    )
    rows = connection.execute(messages).all()
    return [NegativeFeedback(kinds[row.id], row.id, row.campaign, row.channel) for row in rows], last


def find_cursor(connection: Connection, at: datetime) -> int:
    """The last inbox row that arrived before this instant."""
    query = sa.select(sa.func.max(_inbox.c.id)).where(_inbox.c.received_at < to_millis(at))
    return int(connection.execute(query).scalar() or 0)


def count_sent(connection: Connection, campaign: str | None, channel: str, since: datetime) -> int:
    """How many messages were sent since then: of a campaign, or of all."""
    query = (
        sa.select(sa.func.count())
        .select_from(_status.join(_run, _run.c.id == _status.c.run_id))
        .where(_status.c.state == "sent", _status.c.settled_at >= to_millis(since))
        .where(sa.func.substr(_status.c.queue, 1, len(channel) + 1) == f"{channel}|")
    )
    if campaign is not None:
        query = query.where(_run.c.campaign == campaign)
    return int(connection.execute(query).scalar_one())
