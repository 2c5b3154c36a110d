"""One customer: who they are, how they buy, what they consented to, and everything they were sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from automation.errors import AutomationError
from automation.inbound.identity import Person, find_person
from automation.reporting.timeline import TimelineEntry, timeline
from automation.store.ledger import decisions
from automation.store.ledger.decisions import DecisionRow
from automation.store.people import consent
from automation.types.consent import ConsentState
from automation.workspace.models_in_use import active_versions
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from sqlalchemy.engine import Connection

    from automation.contracts import Snapshot

_CHANNELS = ("email", "sms", "push")
_DECISIONS = 10


@dataclass(frozen=True)
class SegmentMembership:
    """A segment that the customer is in; `score` where it has one."""

    segment: str
    label: str | None
    score: float | None
    reasons: Sequence[str]


@dataclass(frozen=True)
class Permission:
    """`granted` and `state` are None where no consent is on record; at, source: of the record that counts."""

    channel: str
    topic: str
    granted: bool | None
    state: ConsentState | None = None
    at: datetime | None = None
    source: str = ""


@dataclass(frozen=True)
class CustomerProfile:
    """traits, profile: by column, known values only. same_address_ids: other ids with the same e-mail address.

    unknown_segments: segments that can't be computed yet, and why. decisions: the newest of all these ids.
    """

    customer_id: str
    as_of: datetime
    traits: Mapping[str, Any]
    same_address_ids: Sequence[str]
    profile: Mapping[str, Any]
    segments: Sequence[SegmentMembership]
    unknown_segments: Mapping[str, str]
    permissions: Sequence[Permission]
    suppressed: str | None
    decisions: Sequence[DecisionRow]


@dataclass(frozen=True)
class CustomerView:
    """A person and everything on record about them. customer: None for an address that belongs to no customer."""

    customer: CustomerProfile | None
    timeline: Sequence[TimelineEntry]

    def to_json(self) -> dict[str, object]:
        """The keys of the customer are there in any case, null for an address that belongs to no customer."""
        names = [field.name for field in fields(CustomerProfile)]
        customer = dict.fromkeys(names) if self.customer is None else asdict(self.customer)
        return {**customer, "timeline": [vars(one).copy() for one in self.timeline]}


def customer_view(workspace: Workspace, wanted: str) -> CustomerView:
    """The person with this customer id, e-mail address or phone number. Raises `AutomationError` for nobody known.

    Profiles are read as they are; refresh them first.
    """
    who = find_person(workspace, wanted)
    customer = customer_profile(workspace, who) if who.customer else None
    return CustomerView(customer, timeline(workspace, who))


def customer_profile(workspace: Workspace, who: Person) -> CustomerProfile:
    """The profile of the person's first customer id."""
    warehouse, now = workspace.warehouse(), workspace.clock.now()
    try:
        data = snapshot(workspace, warehouse, now, with_decisions=True, versions=active_versions(workspace))
        traits = _row(data.customers, who.ids[0])
        profile = _row(data.profiles, who.ids[0])
        segments, unknown = _segments(data, who.ids[0])
    finally:
        warehouse.close()
    with workspace.store.reading() as connection:
        topics = workspace.project.settings.topics
        return CustomerProfile(
            customer_id=who.ids[0],
            as_of=now,
            traits=traits,
            same_address_ids=list(who.ids[1:]),
            profile=profile,
            segments=segments,
            unknown_segments=unknown,
            permissions=[permission for topic in topics for permission in _permissions(connection, who.ids[0], topic)],
            suppressed=_suppression(connection, traits.get("email")),
            decisions=_newest_decisions(connection, who.ids),
        )


def _row(table: ir.Table, customer_id: str) -> dict[str, Any]:
    """The customer's row, known values only; empty where there is none."""
    frame: pl.DataFrame = table.filter(table.customer_id == customer_id).to_polars()
    return {} if frame.is_empty() else {n: v for n, v in frame.row(0, named=True).items() if v is not None}


def _segments(data: Snapshot, customer_id: str) -> tuple[list[SegmentMembership], dict[str, str]]:
    """The segments with the customer in them, and those that can't be computed yet, such as by an untrained model."""
    found, unknown = [], {}
    for name in data.segments:
        try:
            row = _row(data.segments[name], customer_id)
        except AutomationError as error:
            unknown[name] = str(error)
            continue
        if row:
            reasons = tuple(row.get("reasons") or ())
            found.append(SegmentMembership(name, row.get("label"), row.get("score"), reasons))
    return found, unknown


def _permissions(connection: Connection, customer_id: str, topic: str) -> list[Permission]:
    words = consent.states(connection, [customer_id], _CHANNELS, topic)
    states: dict[str, ConsentState] = dict(zip(words["channel"], words["state"], strict=True))
    found = []
    for channel in (one for one in _CHANNELS if one in states):
        record = consent.latest_record(connection, customer_id, channel, topic)
        proof = (None, "") if record is None else (record.at, record.source)
        found.append(Permission(channel, topic, states[channel] == "given", states[channel], *proof))
    return found or [Permission("email", topic, None)]


def _suppression(connection: Connection, email: str | None) -> str | None:
    """Why nothing is sent to the address."""
    found = consent.suppressed(connection, [consent.normalise(email)], "email") if email else {}
    return next((row.reason for row in found.values()), None)


def _newest_decisions(connection: Connection, ids: Sequence[str]) -> list[DecisionRow]:
    found = [row for id_ in ids for row in decisions.find(connection, customer_id=id_, limit=_DECISIONS)]
    return sorted(found, key=lambda row: row.decided_at, reverse=True)[:_DECISIONS]
