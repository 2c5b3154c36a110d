"""What shops report about orders, products and customers: stored here first, then imported like lines of an export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.ids import content_hash
from automation.store.engine import table
from automation.store.tables import ShopReport
from automation.types.schema import TableName

_shop_report = table(ShopReport)
_WAITING = _shop_report.c.lines != ""
KEEP = timedelta(days=30)
_CALLS_KEPT = 50

Line = Mapping[str, str]


@dataclass(frozen=True)
class Arrival:
    """The lines of one webhook call."""

    id: int
    lines: Sequence[Line]


@dataclass(frozen=True)
class WaitingReports:
    """Calls for one table, oldest first; their lines are in the columns of one preset."""

    preset: str
    table: TableName
    arrivals: Sequence[Arrival]


@dataclass(frozen=True)
class ShopCall:
    """What one webhook call says of an order, a product or a customer (`subject`).

    changed_at: when the shop changed it last, by its own word. call: a hash of the call's content.
    """

    subject: str
    preset: str
    table: TableName
    lines: Sequence[Line]
    changed_at: datetime
    call: str


def save_report(connection: Connection, report: ShopCall, *, now: datetime) -> bool:
    """Store the lines of a webhook call; returns whether they are news.

    The latest change replaces the earlier ones, and so does another call of the same instant. An older change and a
    call that was made before change nothing: somebody may repeat what the shop once signed.
    """
    subject = content_hash(report.preset, report.table, report.subject)[:32]
    changed_at = to_millis(min(report.changed_at, now))
    query = sa.select(_shop_report.c.changed_at, _shop_report.c.calls).where(_shop_report.c.subject == subject)
    known = connection.execute(query).one_or_none()
    calls = json.loads(known.calls) if known is not None and known.changed_at == changed_at else []
    if known is not None and (changed_at < known.changed_at or report.call in calls):
        return False
    row = {
        "subject": subject,
        "preset": report.preset,
        "table_name": report.table,
        "lines": json.dumps(report.lines, ensure_ascii=False),
        "received_at": to_millis(now),
        "changed_at": changed_at,
        "calls": json.dumps([*calls, report.call][-_CALLS_KEPT:]),
    }
    connection.execute(sa.delete(_shop_report).where(_shop_report.c.subject == subject))
    connection.execute(sa.insert(_shop_report).values(row))  # a new id: an import that runs now does not cover it
    return True


def has_waiting(connection: Connection) -> bool:
    return connection.execute(sa.select(_shop_report.c.id).where(_WAITING).limit(1)).scalar() is not None


def read_waiting(connection: Connection, *, limit: int = 10_000) -> list[WaitingReports]:
    """What waits, by preset and table: products first, since orders and customers may name them."""
    query = sa.select(_shop_report).where(_WAITING).order_by(_shop_report.c.id).limit(limit)
    groups: dict[tuple[str, TableName], list[Arrival]] = {}
    for row in connection.execute(query):
        groups.setdefault((row.preset, row.table_name), []).append(Arrival(row.id, json.loads(row.lines)))
    order = ("products", "customers", "events")
    return [
        WaitingReports(preset, name, arrivals)
        for (preset, name), arrivals in sorted(groups.items(), key=lambda group: order.index(group[0][1]))
    ]


def finish_import(connection: Connection, imported: WaitingReports, *, now: datetime) -> None:
    """Empty the calls whose lines are now in the warehouse or in quarantine; which they were is kept.

    Of orders for `KEEP`: what an older call says of an order are the events that the warehouse has already.
    """
    same = (_shop_report.c.preset == imported.preset, _shop_report.c.table_name == imported.table)
    last = max(arrival.id for arrival in imported.arrivals)
    connection.execute(sa.update(_shop_report).where(*same, _WAITING, _shop_report.c.id <= last).values(lines=""))
    old = (_shop_report.c.table_name == "events", _shop_report.c.received_at < to_millis(now - KEEP))
    connection.execute(sa.delete(_shop_report).where(~_WAITING, *old))
