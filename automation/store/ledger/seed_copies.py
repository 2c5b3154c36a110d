"""Copies for the seed list: which messages of a run are copied, and which copies were started."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.tables import Coupon, Decision, Message, MessageStatus, Seed

_message, _status, _decision = table(Message), table(MessageStatus), table(Decision)
_coupon, _seed = table(Coupon), table(Seed)

Key = tuple[int, str, str, str]
"""Run, address, variant ("" where there is none) and language."""


@dataclass(frozen=True)
class OriginalMessage:
    """The message that a copy is made of: the run's first of its step, variant and language."""

    batch_no: int
    customer_id: str
    step: str
    visit: int
    channel: str
    address: str
    template: str
    context: str
    variant: str | None
    offer: str | None
    items: str
    coupon: str | None
    due_at: int
    language: str


def find_originals(connection: Connection, run_id: int) -> list[OriginalMessage]:
    """One message for each step, channel, variant and language of the run."""
    context = (
        sa.cast(_message.c.context, sa.JSON)
        if connection.dialect.name == "postgresql"
        else sa.type_coerce(_message.c.context, sa.JSON)
    )
    language = sa.func.coalesce(context["language"].as_string(), "").label("language")
    first = (
        sa.select(sa.func.min(_message.c.id).label("id"), language)
        .join(_decision, _decision.c.id == _message.c.decision_id)
        .where(_message.c.run_id == run_id)
        .group_by(_decision.c.step, _message.c.channel, _decision.c.variant, language)
        .subquery()
    )
    query = (
        sa.select(
            *(_message.c[name] for name in ("batch_no", "customer_id")),
            *(_decision.c[name] for name in ("step", "visit")),
            *(_message.c[name] for name in ("channel", "address", "template", "context")),
            *(_decision.c[name] for name in ("variant", "offer", "items")),
            sa.case((_coupon.c.code.is_not(None), "SAMPLE")).label("coupon"),
            _status.c.due_at,
            first.c.language,
        )
        .join(first, first.c.id == _message.c.id)
        .join(_status, _status.c.message_id == _message.c.id)
        .join(_decision, _decision.c.id == _message.c.decision_id)
        .outerjoin(_coupon, _coupon.c.message_id == _message.c.id)
        .order_by(_decision.c.step, _message.c.channel, _decision.c.variant, first.c.language)
    )
    return [OriginalMessage(*tuple(row)) for row in connection.execute(query)]


def record_intent(connection: Connection, key: Key, *, now: datetime) -> bool:
    """Record that a copy is about to be sent; False if that was recorded before."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    run_id, address, variant, language = key
    row = {"run_id": run_id, "address": address, "variant": variant, "language": language, "verdict": ""}
    made = dialect.insert(_seed).values(row | {"at": to_millis(now)}).on_conflict_do_nothing()
    return connection.execute(made).rowcount == 1


def record_verdict(connection: Connection, key: Key, *, verdict: str) -> None:
    """What the channel answered."""
    run_id, address, variant, language = key
    mine = (
        (_seed.c.run_id == run_id)
        & (_seed.c.address == address)
        & (_seed.c.variant == variant)
        & (_seed.c.language == language)
    )
    connection.execute(sa.update(_seed).where(mine).values(verdict=verdict))
