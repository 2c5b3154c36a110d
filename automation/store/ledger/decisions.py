"""Reads decisions: for re-entry, audience rules, reports and `explain`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import sqlalchemy as sa
from pydantic import JsonValue
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.engine import table
from automation.store.tables import CapEntry, Coupon, Decision, Message, MessageStatus, Run
from automation.types.message import LIVE

_decision, _message, _cap_entry = table(Decision), table(Message), table(CapEntry)
_ENTERED = {"person": pl.String, "last": pl.Int64}
_status, _coupon, _run = table(MessageStatus), table(Coupon), table(Run)


@dataclass(frozen=True)
class DecisionRow:
    """One decision with its message, where it has one."""

    run_id: int
    batch_no: int
    campaign: str
    customer_id: str
    step: str
    visit: int
    outcome: str
    reason: str
    detail: str
    variant: str | None
    offer: str | None
    items: Sequence[Mapping[str, JsonValue]]
    propensities: Mapping[str, JsonValue]
    passed_over: Mapping[str, str]
    """Earlier channels of the campaign that could not reach the customer, each with its reason code."""
    decided_at: datetime
    message_id: str | None
    channel: str | None
    address: str | None
    state: str | None
    state_reason: str | None
    due_at: datetime | None
    settled_at: datetime | None
    provider_id: str | None
    """The id that the provider gave the message, for its support."""
    tracked: bool
    """Whether its opens and clicks were counted when it was granted, as far as that needs a consent."""
    template: str | None
    context: Mapping[str, JsonValue]
    coupon: str | None
    coupon_state: str | None


def find(
    connection: Connection,
    *,
    customer_id: str | None = None,
    campaign: str | None = None,
    run_id: int | None = None,
    message_id: str | None = None,
    step: str | None = None,
    limit: int = 50,
) -> list[DecisionRow]:
    """The newest decisions first."""
    query = _with_messages().order_by(_decision.c.id.desc()).limit(limit)
    wanted = {
        _decision.c.customer_id: customer_id,
        _decision.c.campaign: campaign,
        _decision.c.run_id: run_id,
        _decision.c.step: step,
        _message.c.id: message_id,
    }
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    return [_row(row) for row in connection.execute(query)]


def find_of_person(connection: Connection, ids: Sequence[str], recipients: Sequence[str]) -> list[DecisionRow]:
    """Every decision about these customer ids, or with a message to these addresses (normalised); the oldest first."""
    theirs = sa.and_(_message.c.run_id == _run.c.id, _message.c.recipient.in_(recipients))  # as the index has them
    addressed = sa.select(_message.c.decision_id).select_from(_run.join(_message, theirs))
    query = _with_messages().where(sa.or_(_decision.c.customer_id.in_(ids), _decision.c.id.in_(addressed)))
    return [_row(row) for row in connection.execute(query.order_by(_decision.c.decided_at, _decision.c.id))]


def _with_messages() -> sa.Select[Any]:
    """The columns of `DecisionRow`."""
    decided = ("run_id", "batch_no", "campaign", "customer_id", "step", "visit", "outcome", "reason", "detail")
    drawn = ("variant", "offer", "items", "propensities", "passed_over", "decided_at")
    return (
        sa.select(
            *(_decision.c[name] for name in (*decided, *drawn)),
            _message.c.id.label("message_id"),
            *(_message.c[name] for name in ("channel", "address", "template", "context")),
            *(_status.c[name] for name in ("state", "due_at", "settled_at", "provider_id", "tracked")),
            _status.c.reason.label("state_reason"),
            _coupon.c.code,
            _coupon.c.state.label("coupon_state"),
        )
        .outerjoin(_message, _message.c.decision_id == _decision.c.id)
        .outerjoin(_status, _status.c.message_id == _message.c.id)
        .outerjoin(_coupon, _coupon.c.message_id == _message.c.id)
    )


def read_touches(connection: Connection) -> pl.DataFrame:
    """Who was contacted or held out, in all campaigns: touch (the decision), customer_id, campaign, variant, outcome,
    due_at of the run, message_id and state of its live message, at, touched.

    `touched` is true of a message that left, or may have, and of being held out; `at` is when.
    """
    names = ("id", "customer_id", "campaign", "variant", "outcome")
    live = sa.and_(_status.c.decision_id == _decision.c.id, _status.c.state.in_([state.value for state in LIVE]))
    query = (
        sa.select(*(_decision.c[name] for name in names), _run.c.due_at, _status.c.message_id, _status.c.state)
        .add_columns(sa.func.coalesce(_status.c.granted_at, _decision.c.decided_at))
        .join(_run, _run.c.id == _decision.c.run_id)
        .outerjoin(_status, live)
        .where(_decision.c.outcome.in_(["message", "holdout"]), _run.c.test.is_(sa.false()))
        .order_by(_decision.c.id)
    )
    frame = pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=_REACHED, orient="row")
    left = pl.col("state").is_in(["sent", "ambiguous"]) | (pl.col("outcome") == "holdout")
    return frame.with_columns(
        pl.from_epoch(name, time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        for name in ("due_at", "at")
    ).with_columns(left.fill_null(value=False).alias("touched"))


def read_channels(connection: Connection, campaign: str) -> pl.DataFrame:
    """The channel of every message of a campaign: message_id, channel, tracked (as in `DecisionRow`)."""
    query = (
        sa.select(_message.c.id, _message.c.channel, _status.c.tracked)
        .join(_status, _status.c.message_id == _message.c.id)
        .join(_run, _run.c.id == _message.c.run_id)
        .where(_run.c.campaign == campaign, _run.c.test.is_(sa.false()))
    )
    schema = {"message_id": pl.String, "channel": pl.String, "tracked": pl.Boolean}
    return pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=schema, orient="row")


_REACHED = {
    "touch": pl.Int64,
    "customer_id": pl.String,
    "campaign": pl.String,
    "variant": pl.String,
    "outcome": pl.String,
    "due_at": pl.Int64,
    "message_id": pl.String,
    "state": pl.String,
    "at": pl.Int64,
}


LOST = "arbitration_lost"
"""The reason of a decision whose message was lost to another campaign."""


def is_no_test() -> sa.ColumnElement[bool]:
    """Whether the decision's run was not planned under redirect_all. Most shops have no such run."""
    return _decision.c.run_id.not_in(sa.select(_run.c.id).where(_run.c.test.is_(sa.true())))


def find_entered(
    connection: Connection,
    customers: Sequence[str],
    campaign: str,
    *,
    since: datetime | None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """`person` and `last` (milliseconds): those of these customers who got this campaign, or were held out of it, since
    then (or ever), until then, and when they last did."""
    query = (
        sa.select(_decision.c.customer_id, sa.func.max(_decision.c.decided_at))
        .where(
            _decision.c.customer_id.in_(customers),
            _decision.c.campaign == campaign,
            _decision.c.outcome.in_(["message", "holdout"]),
            _decision.c.reason != LOST,
            is_no_test(),
        )
        .group_by(_decision.c.customer_id)
    )
    if since is not None:
        query = query.where(_decision.c.decided_at >= to_millis(since))
    if until is not None:
        query = query.where(_decision.c.decided_at <= to_millis(until))
    return pl.DataFrame(list(map(tuple, connection.execute(query))), schema=_ENTERED, orient="row")


def find_promised(
    connection: Connection,
    customers: Sequence[str],
    recipients: Sequence[str],
    campaign: str,
    *,
    since: datetime | None,
    until: datetime | None = None,
) -> pl.DataFrame:
    """`person` (an id or a normalised address) and `last` (milliseconds): whoever of these was promised this campaign
    since then (or ever), until then, under whichever id of theirs; imported sends of the previous tool count."""
    query = sa.select(_cap_entry.c.customer_id, _cap_entry.c.recipient, _cap_entry.c.at).where(
        _cap_entry.c.campaign == campaign,
        sa.or_(_cap_entry.c.customer_id.in_(customers), _cap_entry.c.recipient.in_(recipients)),
    )
    if since is not None:
        query = query.where(_cap_entry.c.at >= to_millis(since))
    if until is not None:
        query = query.where(_cap_entry.c.at <= to_millis(until))
    found = [(person, at) for customer, recipient, at in connection.execute(query) for person in (customer, recipient)]
    return pl.DataFrame([row for row in found if row[0]], schema=_ENTERED, orient="row")


def read_run_decisions(connection: Connection, run_id: int) -> pl.DataFrame:
    """A run's decisions: customer_id, outcome, reason, variant, offer, message_id, state, due_at (milliseconds)."""
    names = ("customer_id", "outcome", "reason", "variant", "offer")
    query = (
        sa.select(*(_decision.c[name] for name in names), _message.c.id, _status.c.state, _status.c.due_at)
        .outerjoin(_message, _message.c.decision_id == _decision.c.id)
        .outerjoin(_status, _status.c.message_id == _message.c.id)
        .where(_decision.c.run_id == run_id)
    )
    schema = dict.fromkeys((*names, "message_id", "state"), pl.String) | {"due_at": pl.Int64}
    return pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=schema, orient="row")


def _row(row: Any) -> DecisionRow:
    return DecisionRow(
        run_id=row.run_id,
        batch_no=row.batch_no,
        campaign=row.campaign,
        customer_id=row.customer_id,
        step=row.step,
        visit=row.visit,
        outcome=row.outcome,
        reason=row.reason,
        detail=row.detail,
        variant=row.variant,
        offer=row.offer,
        items=json.loads(row.items),
        propensities=json.loads(row.propensities),
        passed_over=json.loads(row.passed_over),
        decided_at=from_millis(row.decided_at),
        message_id=row.message_id,
        channel=row.channel,
        address=row.address,
        state=row.state,
        state_reason=row.state_reason,
        due_at=None if row.due_at is None else from_millis(row.due_at),
        settled_at=None if row.settled_at is None else from_millis(row.settled_at),
        provider_id=row.provider_id,
        tracked=bool(row.tracked),
        template=row.template,
        context=json.loads(row.context) if row.context else {},
        coupon=row.code,
        coupon_state=row.coupon_state,
    )
