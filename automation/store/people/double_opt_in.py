"""Consents that grant nothing before the owner of the address confirms them.

A request is never lost: it waits as `pending` until a message asks for its confirmation (`asked`), and ends as
`confirmed`, `withdrawn`, `expired`, or `refused` where no message could be sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.engine import table
from automation.store.people import consent
from automation.store.tables import ConsentRequest, Message, Run
from automation.types.address import normalise

_request, _message, _run = table(ConsentRequest), table(Message), table(Run)

METHOD = "double opt-in"
VALID = timedelta(days=30)
"""How long a request may be confirmed."""
_SAME = ["customer_id", "channel", "topic", "at", "source"]
_OPEN = ("pending", "asked")
_GONE = frozenset({"failed", "expired", "cancelled", "suppressed", "erased"})


@dataclass(frozen=True)
class Request:
    """One consent that was asked for; `message_id` is the message that asks its owner to confirm."""

    id: int
    customer_id: str
    channel: str
    topic: str
    address: str
    language: str
    requested_at: datetime
    source: str
    method: str
    text_version: str
    state: str
    message_id: str | None
    settled_at: datetime | None


def request(connection: Connection, said: pl.DataFrame) -> int:
    """Take a batch of words (`consent.WORDS`, all granted, with addresses) that wait to be confirmed.

    Who agreed already, has an open request, or was asked about this very word is not asked again; returns how many
    requests are new.
    """
    rows = []
    for (channel, topic), part in said.group_by("channel", "topic", maintain_order=True):
        known = consent.states(connection, part["customer_id"].to_list(), [str(channel)], str(topic))
        agreed = known.filter("granted").select("customer_id")
        open_ = part.join(agreed, on="customer_id", how="anti", maintain_order="left")
        rows += open_.join(_of_words(connection, open_), on=_SAME, how="anti", maintain_order="left").to_dicts()
    before = connection.execute(sa.select(sa.func.count()).select_from(_request)).scalar_one()
    if rows:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(_request).on_conflict_do_nothing(), [_as_pending(row) for row in rows])
    after = connection.execute(sa.select(sa.func.count()).select_from(_request)).scalar_one()
    return int(after - before)


def _of_words(connection: Connection, said: pl.DataFrame) -> pl.DataFrame:
    """The words that were requests once."""
    columns = [_request.c["requested_at" if name == "at" else name] for name in _SAME]
    query = sa.select(*columns).where(_request.c.customer_id.in_(said["customer_id"].to_list()))
    schema = {name: consent.WORDS[name] for name in _SAME}
    return pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=schema, orient="row")


def _as_pending(word: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("customer_id", "channel", "topic", "address", "source", "method", "text_version")
    return {name: word[name] or "" for name in kept} | {
        "requested_at": word["at"],
        "language": word.get("language") or "",
        "state": "pending",
    }


def waiting(connection: Connection, topic: str, *, now: datetime, limit: int = 1_000) -> list[Request]:
    """Requests of a topic that nobody was asked about yet, the oldest first; those too old to confirm expire."""
    _expire(connection, now)
    query = sa.select(_request).where(_request.c.state == "pending", _request.c.topic == topic)
    return [_row(row) for row in connection.execute(query.order_by(_request.c.id).limit(limit))]


def pending(connection: Connection, *, limit: int | None = None) -> list[Request]:
    """Every request that is not confirmed yet, and those that could not be asked: the oldest first."""
    query = sa.select(_request).where(_request.c.state.in_([*_OPEN, "refused"])).order_by(_request.c.id).limit(limit)
    return [_row(row) for row in connection.execute(query)]


def of(connection: Connection, customers: Sequence[str]) -> list[Request]:
    """Every request of these customers, the oldest first."""
    query = sa.select(_request).where(_request.c.customer_id.in_(customers)).order_by(_request.c.id)
    return [_row(row) for row in connection.execute(query)]


def asked(connection: Connection, messages: Mapping[int, str]) -> None:
    """Which message asks about which requests: request → message."""
    changed = (
        sa.update(_request)
        .where(_request.c.id == sa.bindparam("i"), _request.c.state == "pending")
        .values(state="asked", message_id=sa.bindparam("m"))
    )
    if messages:
        connection.execute(changed, [{"i": request_id, "m": message} for request_id, message in messages.items()])


def still_waiting(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Those of the requests that nobody was asked about yet."""
    query = sa.select(_request.c.id).where(_request.c.id.in_(ids), _request.c.state == "pending")
    return list(connection.execute(query).scalars())


def about(connection: Connection, message_id: str) -> list[Request]:
    """Everything that a message asks about, whatever became of it; empty where it asks about nothing."""
    query = sa.select(_request).where(_request.c.message_id == message_id).order_by(_request.c.id)
    return [_row(row) for row in connection.execute(query)]


def refuse_unsent(connection: Connection, *, campaigns: str, now: datetime) -> None:
    """Give up on requests whose message will never leave, or was never made by a run of these campaigns (a prefix)."""
    standing = sa.select(_message.c.state).where(_message.c.id == _request.c.message_id).scalar_subquery()
    open_ = _run.c.campaign.startswith(campaigns) & _run.c.state.in_(["created", "planning"])
    never = _GONE if connection.execute(sa.select(_run.c.id).where(open_).limit(1)).scalar() else {*_GONE, None}
    asked_ = sa.select(_request.c.message_id, standing).where(_request.c.state == "asked")
    gone = [message for message, state in connection.execute(asked_) if state in never]
    if gone:
        refuse(connection, gone, now=now)


def refuse(connection: Connection, message_ids: Sequence[str], *, now: datetime) -> None:
    """These messages were never made or will never leave."""
    named = _request.c.message_id.in_(message_ids) & (_request.c.state == "asked")
    connection.execute(sa.update(_request).where(named).values(state="refused", settled_at=to_millis(now)))


def confirm(connection: Connection, message_id: str, *, at: datetime, source: str = "confirm link") -> list[Request]:
    """The owner of the address confirmed by the link in this message: grant what it asked about.

    Returns the requests that are confirmed, also where they were before; empty where they expired or were withdrawn.
    """
    _expire(connection, at)
    query = sa.select(_request).where(_request.c.message_id == message_id, _request.c.state.in_(["asked", "confirmed"]))
    found = [_row(row) for row in connection.execute(query)]
    new = [one for one in found if one.state == "asked"]
    if new:
        consent.write(connection, _granted(new, at), by=f"{source}, message {message_id}", now=at)
        settled = _request.c.id.in_([one.id for one in new])
        connection.execute(sa.update(_request).where(settled).values(state="confirmed", settled_at=to_millis(at)))
    return found


def _granted(requests: Sequence[Request], at: datetime) -> pl.DataFrame:
    rows = [
        (r.customer_id, r.channel, r.topic, True, to_millis(at), r.source, r.text_version, METHOD, normalise(r.address))
        for r in requests
    ]
    return pl.DataFrame(rows, schema=consent.WORDS, orient="row")


def _expire(connection: Connection, now: datetime) -> None:
    old = _request.c.state.in_(_OPEN) & (_request.c.requested_at < to_millis(now - VALID))
    connection.execute(sa.update(_request).where(old).values(state="expired", settled_at=to_millis(now)))


def _row(row: Any) -> Request:
    values = dict(row._mapping)
    settled = values["settled_at"]
    return Request(
        **{
            **values,
            "requested_at": from_millis(values["requested_at"]),
            "settled_at": None if settled is None else from_millis(settled),
        }
    )
