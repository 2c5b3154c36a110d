"""One customer, readable: who they are, how they buy, what they allow, and what they were sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from automation.errors import AutomationError
from automation.store.ledger import decisions
from automation.store.ledger.decisions import DecisionRow
from automation.store.people import consent
from automation.workspace.models import active_versions
from automation.workspace.profiles import refresh_profiles
from automation.workspace.snapshots import snapshot
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from automation.contracts import Snapshot

_CHANNELS = ("email", "sms", "push")
_DECISIONS = 10


@dataclass(frozen=True)
class Standing:
    """What a segment says of the customer; `score` where it has one."""

    segment: str
    label: str | None
    score: float | None
    reasons: Sequence[str]


@dataclass(frozen=True)
class Permission:
    """`granted` is None where they never said anything."""

    channel: str
    topic: str
    granted: bool | None


@dataclass(frozen=True)
class Portrait:
    """traits, profile: by column, what is known only. namesakes: further ids with the same e-mail address.

    unknown: segments that can't be told yet, and why. decisions: the newest of all these ids.
    """

    customer_id: str
    as_of: datetime
    traits: Mapping[str, Any]
    namesakes: Sequence[str]
    profile: Mapping[str, Any]
    segments: Sequence[Standing]
    unknown: Mapping[str, str]
    permissions: Sequence[Permission]
    suppressed: str | None
    decisions: Sequence[DecisionRow]


def portrait(workspace: Workspace, wanted: str) -> Portrait:
    """The customer with this id, or else with this e-mail address. Raises `AutomationError`."""
    warehouse, now = workspace.warehouse(), workspace.clock.now()
    try:
        refresh_profiles(workspace, warehouse)
        data = snapshot(workspace, warehouse, now, with_decisions=True, versions=active_versions(workspace))
        traits, namesakes = _find(data.customers, wanted)
        one = pl.DataFrame({"customer_id": [traits["customer_id"]]})
        profile = _row(data.profiles, one)
        segments, unknown = _segments(data, one)
    finally:
        warehouse.close()
    ids = [traits["customer_id"], *namesakes]
    with workspace.store.reading() as connection:
        topics = workspace.project.settings.topics
        permissions = [p for topic in topics for p in _permissions(connection, ids[0], topic)]
        email = traits.get("email")
        suppressed = consent.suppressed(connection, [consent.normalise(email)], "email") if email else {}
        found = [row for id_ in ids for row in decisions.find(connection, customer_id=id_, limit=_DECISIONS)]
    return Portrait(
        customer_id=ids[0],
        as_of=now,
        traits=traits,
        namesakes=namesakes,
        profile=profile,
        segments=segments,
        unknown=unknown,
        permissions=permissions,
        suppressed=next((row.reason for row in suppressed.values()), None),
        decisions=sorted(found, key=lambda row: row.decided_at, reverse=True)[:_DECISIONS],
    )


def _find(customers: ir.Table, wanted: str) -> tuple[dict[str, Any], list[str]]:
    rows = customers.filter(customers.customer_id == wanted).to_polars().to_dicts()
    rows = rows or _with_address(customers, wanted)
    if not rows:
        raise AutomationError(
            f"there is no customer with the id or e-mail address {wanted!r}; automation import customers brings them in"
        )
    first = rows[0]
    same = _with_address(customers, first["email"]) if first.get("email") else []
    others = [row["customer_id"] for row in same if row["customer_id"] != first["customer_id"]]
    return {name: value for name, value in first.items() if value is not None}, others


def _with_address(customers: ir.Table, address: str) -> list[dict[str, Any]]:
    found = customers.filter(customers.email.strip().lower() == consent.normalise(address))
    rows: list[dict[str, Any]] = found.order_by("customer_id").to_polars().to_dicts()
    return rows


def _row(table: ir.Table, one: pl.DataFrame) -> dict[str, Any]:
    frame = table.filter(table.customer_id == one["customer_id"][0]).to_polars()
    return {} if frame.is_empty() else {n: v for n, v in frame.row(0, named=True).items() if v is not None}


def _segments(data: Snapshot, one: pl.DataFrame) -> tuple[list[Standing], dict[str, str]]:
    """Those that have the customer; a segment whose model is not trained says so instead."""
    found, unknown = [], {}
    for name in data.segments:
        try:
            row = _row(data.segments[name], one)
        except AutomationError as error:
            unknown[name] = str(error)
            continue
        if row:
            reasons = tuple(row.get("reasons") or ())
            found.append(Standing(name, row.get("label"), row.get("score"), reasons))
    return found, unknown


def _permissions(connection: Any, customer_id: str, topic: str) -> list[Permission]:
    said = consent.states(connection, [customer_id], _CHANNELS, topic)
    granted = dict(zip(said["channel"], said["granted"], strict=True))
    return [Permission(channel, topic, granted.get(channel)) for channel in _CHANNELS if channel in granted] or [
        Permission("email", topic, None)
    ]
