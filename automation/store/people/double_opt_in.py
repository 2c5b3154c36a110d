"""Double opt-in: consents that grant nothing until the owner of the address confirms them.

A request is `pending` until a message asks for the confirmation (`asked`), and ends as `confirmed`, `withdrawn`,
`expired`, or `refused` if no message could be sent. An address is asked about a topic once a week, whatever customer
ids come with it: anybody can type it into a form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.people import consent, suppressions
from automation.store.people.consent_requests import OPEN, ConsentRequestRow, request_row, unconfirmed_requests
from automation.store.tables import ConsentRequest, MessageStatus, Run
from automation.types.address import normalise

__all__ = [
    "CAMPAIGNS", "METHOD", "ONCE_IN", "VALID", "ConsentRequestRow", "add_requests", "confirm_requests", "has_work",
    "mark_asked", "refuse_requests", "refuse_suppressed", "refuse_unsent", "requests_of", "requests_of_message",
    "still_waiting", "unconfirmed_requests", "waiting_requests",
]  # fmt: skip

_request, _status, _run = table(ConsentRequest), table(MessageStatus), table(Run)
_request_before = _request.alias("before")

METHOD = "double opt-in"
CAMPAIGNS = "confirm-"
"""How the names of the campaigns begin that ask for a confirmation."""
ONCE_IN = timedelta(days=7)
"""An address gets at most one message about a topic in this time."""
VALID = timedelta(days=30)
"""How long a request can be confirmed unless config.yaml says otherwise."""
_SAME = ["customer_id", "channel", "topic", "at", "source"]
_GONE = frozenset({"failed", "expired", "cancelled", "suppressed", "erased"})


def add_requests(connection: Connection, records: pl.DataFrame) -> int:
    """Add requests from a batch of grants (`consent.CONSENT_COLUMNS`, with addresses); returns how many are new.

    A customer who agreed already, has an open request, or was asked about the same record is not asked again.
    """
    rows = []
    for (channel, topic), part in records.group_by("channel", "topic", maintain_order=True):
        known = consent.states(connection, part["customer_id"].to_list(), [str(channel)], str(topic))
        agreed = known.filter("granted").select("customer_id")
        open_ = part.join(agreed, on="customer_id", how="anti", maintain_order="left")
        rows += open_.join(_requested(connection, open_), on=_SAME, how="anti", maintain_order="left").to_dicts()
    before = connection.execute(sa.select(sa.func.count()).select_from(_request)).scalar_one()
    if rows:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(_request).on_conflict_do_nothing(), [_as_pending(row) for row in rows])
    after = connection.execute(sa.select(sa.func.count()).select_from(_request)).scalar_one()
    return int(after - before)


def _requested(connection: Connection, records: pl.DataFrame) -> pl.DataFrame:
    """The records that became a request before."""
    columns = [_request.c["requested_at" if name == "at" else name] for name in _SAME]
    query = sa.select(*columns).where(_request.c.customer_id.in_(records["customer_id"].to_list()))
    schema = {name: consent.CONSENT_COLUMNS[name] for name in _SAME}
    return pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=schema, orient="row")


def _as_pending(record: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("customer_id", "channel", "topic", "address", "source", "method", "text_version")
    return {name: record[name] or "" for name in kept} | {
        "recipient": normalise(record["address"]),
        "requested_at": record["at"],
        "language": record.get("language") or "",
        "state": "pending",
    }


def waiting_requests(
    connection: Connection, topic: str, *, now: datetime, limit: int = 1_000, valid: timedelta = VALID
) -> list[ConsentRequestRow]:
    """The pending requests of a topic whose message may be made, the oldest first; those that are too old expire.

    Requests for an address that was asked within a week wait with its message, or until the week is over.
    """
    _expire(connection, now, valid)
    _join_earlier(connection, topic, now)
    pending = (_request.c.state == "pending") & (_request.c.topic == topic)
    query = sa.select(_request).where(pending, ~sa.exists(_earlier(_request_before.c.id, now)))
    return [_row(row) for row in connection.execute(query.order_by(_request.c.id).limit(limit))]


def _earlier(column: sa.ColumnElement[Any], now: datetime, *states: str) -> sa.Select[Any]:
    """Of the requests for the same address, channel and topic whose message was made within a week."""
    before = _request_before.c
    same = (before[name] == _request.c[name] for name in ("recipient", "channel", "topic"))
    recent = before.asked_at > to_millis(now - ONCE_IN)
    found = sa.select(column).where(*same, recent)
    return found.where(before.state.in_(states)) if states else found


def _join_earlier(connection: Connection, topic: str, now: datetime) -> None:
    """Let the answer to a message that is still open settle the requests that came after it, too."""
    pending = (_request.c.state == "pending") & (_request.c.topic == topic)
    message = _earlier(_request_before.c.message_id, now, "asked").order_by(_request_before.c.id.desc()).limit(1)
    joined = sa.update(_request).where(pending, sa.exists(_earlier(_request_before.c.id, now, "asked")))
    connection.execute(joined.values(state="asked", message_id=message.scalar_subquery()))


def refuse_suppressed(
    connection: Connection, requests: Sequence[ConsentRequestRow], *, now: datetime
) -> list[ConsentRequestRow]:
    """Refuse the requests whose address gets nothing; returns the others.

    An address that is suppressed for the topic asked about, or for everything, is not asked. A person who once
    unsubscribed from the topic may ask for it again.
    """
    refused: set[int] = set()
    for channel, topic in {(one.channel, one.topic) for one in requests}:
        asked = [one for one in requests if (one.channel, one.topic) == (channel, topic)]
        rows = suppressions.suppressed(connection, [one.recipient for one in asked], channel, topic)
        final = {
            address
            for address, row in rows.items()
            if row.reason not in suppressions.OWNER_REASONS or row.topic == suppressions.EVERY
        }
        refused |= {one.id for one in asked if one.recipient in final}
    if refused:
        settled = {"state": "refused", "settled_at": to_millis(now)}
        connection.execute(sa.update(_request).where(_request.c.id.in_(refused)).values(settled))
    return [one for one in requests if one.id not in refused]


def requests_of(connection: Connection, customers: Sequence[str]) -> list[ConsentRequestRow]:
    """Every request of these customers, the oldest first."""
    query = sa.select(_request).where(_request.c.customer_id.in_(customers)).order_by(_request.c.id)
    return [_row(row) for row in connection.execute(query)]


def mark_asked(connection: Connection, messages: Mapping[int, str], *, now: datetime) -> None:
    """Record which message asks for which confirmation: request id → message id."""
    changed = (
        sa.update(_request)
        .where(_request.c.id == sa.bindparam("i"), _request.c.state == "pending")
        .values(state="asked", message_id=sa.bindparam("m"), asked_at=to_millis(now))
    )
    if messages:
        connection.execute(changed, [{"i": request_id, "m": message} for request_id, message in messages.items()])


def still_waiting(connection: Connection, ids: Sequence[int]) -> list[int]:
    """The requests among these that are still pending."""
    query = sa.select(_request.c.id).where(_request.c.id.in_(ids), _request.c.state == "pending")
    return list(connection.execute(query).scalars())


def requests_of_message(connection: Connection, message_id: str) -> list[ConsentRequestRow]:
    """Every request that a message asks about, in any state; empty if it is no confirmation message."""
    query = sa.select(_request).where(_request.c.message_id == message_id).order_by(_request.c.id)
    return [_row(row) for row in connection.execute(query)]


def refuse_unsent(connection: Connection, *, now: datetime) -> None:
    """Refuse requests whose message will never be sent, or was never made by a run."""
    gone = _find_unsent(connection)
    if gone:
        refuse_requests(connection, gone, now=now)


def _find_unsent(connection: Connection) -> list[str]:
    state_ = sa.select(_status.c.state).where(_status.c.message_id == _request.c.message_id).scalar_subquery()
    open_ = _run.c.campaign.startswith(CAMPAIGNS) & _run.c.state.in_(["created", "planning"])
    never = _GONE if connection.execute(sa.select(_run.c.id).where(open_).limit(1)).scalar() else {*_GONE, None}
    asked_ = sa.select(_request.c.message_id, state_).where(_request.c.state == "asked")
    return [message for message, state in connection.execute(asked_) if state in never]


def has_work(connection: Connection, *, now: datetime, valid: timedelta = VALID) -> bool:
    """Whether a request waits for its message, or can be settled without an answer."""
    pending = (_request.c.state == "pending") & ~sa.exists(_earlier(_request_before.c.id, now))
    old = _request.c.state.in_(OPEN) & (_request.c.requested_at < to_millis(now - valid))
    found = connection.execute(sa.select(_request.c.id).where(pending | old).limit(1)).scalar()
    return found is not None or bool(_find_unsent(connection))


def refuse_requests(connection: Connection, message_ids: Sequence[str], *, now: datetime) -> None:
    """Refuse the requests of messages that were never made or will never be sent."""
    named = _request.c.message_id.in_(message_ids) & (_request.c.state == "asked")
    refused = {"state": "refused", "settled_at": to_millis(now), "asked_at": None}
    connection.execute(sa.update(_request).where(named).values(refused))


def confirm_requests(
    connection: Connection,
    message_id: str,
    *,
    at: datetime,
    source: str = "confirm link",
    valid: timedelta = VALID,
) -> list[ConsentRequestRow]:
    """Grant what this message asked about: the owner of the address followed its link.

    Returns the confirmed requests, earlier ones included; empty if they expired or were withdrawn.
    """
    _expire(connection, at, valid)
    query = sa.select(_request).where(_request.c.message_id == message_id, _request.c.state.in_(["asked", "confirmed"]))
    requests = [_row(row) for row in connection.execute(query)]
    new = [request for request in requests if request.state == "asked"]
    if new:
        consent.write_records(connection, _granted(new, at), by=f"{source}, message {message_id}", now=at)
        settled = _request.c.id.in_([request.id for request in new])
        connection.execute(sa.update(_request).where(settled).values(state="confirmed", settled_at=to_millis(at)))
    return requests


def _granted(requests: Sequence[ConsentRequestRow], at: datetime) -> pl.DataFrame:
    rows = [
        (r.customer_id, r.channel, r.topic, True, to_millis(at), r.source, r.text_version, METHOD, normalise(r.address))
        for r in requests
    ]
    return pl.DataFrame(rows, schema=consent.CONSENT_COLUMNS, orient="row")


def _expire(connection: Connection, now: datetime, valid: timedelta) -> None:
    old = _request.c.state.in_(OPEN) & (_request.c.requested_at < to_millis(now - valid))
    connection.execute(sa.update(_request).where(old).values(state="expired", settled_at=to_millis(now)))


def _row(row: Any) -> ConsentRequestRow:
    return request_row(dict(row._mapping))
