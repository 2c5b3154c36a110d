"""Message history: everything that was decided about one person and sent to them, across their ids and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis
from automation.store.engine import table
from automation.store.ledger.earlier_sends import IMPORTED
from automation.store.tables import CapEntry, Coupon, Decision, Message

_decision, _message, _coupon, _cap_entry = table(Decision), table(Message), table(Coupon), table(CapEntry)


@dataclass(frozen=True)
class HistoryEntry:
    """One decision with its message, where it has one; or a message that another sender sent before us."""

    at: datetime
    """When it was decided."""
    customer_id: str
    campaign: str
    topic: str
    outcome: str
    reason: str
    detail: str
    run_id: int | None
    message_id: str | None
    channel: str | None
    address: str | None
    state: str | None
    state_reason: str | None
    due_at: datetime | None
    settled_at: datetime | None
    offer: str | None
    coupon: str | None
    coupon_state: str | None


def read_history(connection: Connection, ids: Sequence[str], recipients: Sequence[str]) -> list[HistoryEntry]:
    """Of these customer ids, and to these addresses (normalised): the oldest first."""
    own = sa.select(_message.c.decision_id).where(_message.c.recipient.in_(recipients))
    decided = (
        sa.select(
            *(_decision.c[name] for name in ("decided_at", "customer_id", "campaign", "outcome", "reason", "detail")),
            _decision.c.run_id,
            _decision.c.offer,
            _message.c.id.label("message_id"),
            *(_message.c[name] for name in ("topic", "channel", "address", "state", "due_at", "settled_at")),
            _message.c.reason.label("state_reason"),
            _coupon.c.code,
            _coupon.c.state.label("coupon_state"),
        )
        .outerjoin(_message, _message.c.decision_id == _decision.c.id)
        .outerjoin(_coupon, _coupon.c.message_id == _message.c.id)
        .where(sa.or_(_decision.c.customer_id.in_(ids), _decision.c.id.in_(own)))
        .order_by(_decision.c.decided_at, _decision.c.id)
    )
    earlier = sa.select(_cap_entry).where(
        _cap_entry.c.message_id.startswith(IMPORTED),
        sa.or_(_cap_entry.c.customer_id.in_(ids), _cap_entry.c.recipient.in_(recipients)),
    )
    found = [_ours(row) for row in connection.execute(decided)]
    return sorted([*map(_theirs, connection.execute(earlier)), *found], key=lambda entry: entry.at)


def _ours(row: Any) -> HistoryEntry:
    return HistoryEntry(
        at=from_millis(row.decided_at),
        customer_id=row.customer_id,
        campaign=row.campaign,
        topic=row.topic or "",
        outcome=row.outcome,
        reason=row.reason,
        detail=row.detail,
        run_id=row.run_id,
        message_id=row.message_id,
        channel=row.channel,
        address=row.address,
        state=row.state,
        state_reason=row.state_reason,
        due_at=None if row.due_at is None else from_millis(row.due_at),
        settled_at=None if row.settled_at is None else from_millis(row.settled_at),
        offer=row.offer,
        coupon=row.code,
        coupon_state=row.coupon_state,
    )


def _theirs(row: Any) -> HistoryEntry:
    at = from_millis(row.at)
    return HistoryEntry(
        at=at,
        customer_id=row.customer_id,
        campaign=row.campaign,
        topic=row.topic,
        outcome="message",
        reason="selected",
        detail="",
        run_id=None,
        message_id=None,
        channel=row.channel,
        address=row.recipient,
        state="sent",
        state_reason="imported from another tool",
        due_at=at,
        settled_at=at,
        offer=None,
        coupon=None,
        coupon_state=None,
    )
