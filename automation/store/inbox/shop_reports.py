"""What shops report about orders, products and customers: stored here first, then imported like lines of an export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.tables import ShopReport
from automation.types.schema import TableName

_shop_report = table(ShopReport)

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


def save_report(
    connection: Connection, subject: str, preset: str, table_: TableName, lines: Sequence[Line], *, now: datetime
) -> None:
    """Store the lines of one webhook call. `subject` is the order, product or customer; its latest call replaces the
    earlier ones."""
    row = {
        "subject": f"{preset}:{table_}:{subject}",
        "preset": preset,
        "table_name": table_,
        "lines": json.dumps(lines, ensure_ascii=False),
        "received_at": to_millis(now),
    }
    connection.execute(sa.delete(_shop_report).where(_shop_report.c.subject == row["subject"]))
    connection.execute(sa.insert(_shop_report).values(row))


def read_waiting(connection: Connection, *, limit: int = 10_000) -> list[WaitingReports]:
    """What waits, by preset and table: products first, since orders and customers may name them."""
    query = sa.select(_shop_report).order_by(_shop_report.c.id).limit(limit)
    groups: dict[tuple[str, TableName], list[Arrival]] = {}
    for row in connection.execute(query):
        groups.setdefault((row.preset, row.table_name), []).append(Arrival(row.id, json.loads(row.lines)))
    order = ("products", "customers", "events")
    return [
        WaitingReports(preset, name, arrivals)
        for (preset, name), arrivals in sorted(groups.items(), key=lambda group: order.index(group[0][1]))
    ]


def delete_imported(connection: Connection, imported: WaitingReports) -> None:
    """Remove the calls whose lines are now in the warehouse or in quarantine."""
    same = (_shop_report.c.preset == imported.preset, _shop_report.c.table_name == imported.table)
    last = max(arrival.id for arrival in imported.arrivals)
    connection.execute(sa.delete(_shop_report).where(*same, _shop_report.c.id <= last))
