"""What shops report about products and customers: durable here first, then imported like the lines of an export."""

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


@dataclass(frozen=True)
class Waiting:
    """Lines of one table in the columns of one preset, as they came; `upto` is the last one's row."""

    preset: str
    table: TableName
    lines: Sequence[Mapping[str, str]]
    upto: int


def take(
    connection: Connection,
    about: str,
    preset: str,
    table_: TableName,
    lines: Sequence[Mapping[str, str]],
    *,
    now: datetime,
) -> None:
    """Keep the lines of one call; `about` names the order, product or customer, of which the latest call counts."""
    row = {
        "about": f"{preset}:{table_}:{about}",
        "preset": preset,
        "table_name": table_,
        "lines": json.dumps(lines, ensure_ascii=False),
        "received_at": to_millis(now),
    }
    connection.execute(sa.delete(_shop_report).where(_shop_report.c.about == row["about"]))
    connection.execute(sa.insert(_shop_report).values(row))


def waiting(connection: Connection, *, limit: int = 10_000) -> list[Waiting]:
    """What waits, by preset and table: products before orders and customers, whom orders may name."""
    query = sa.select(_shop_report).order_by(_shop_report.c.id).limit(limit)
    groups: dict[tuple[str, TableName], list[sa.Row[tuple[object, ...]]]] = {}
    for row in connection.execute(query):
        groups.setdefault((row.preset, row.table_name), []).append(row)
    order = ("products", "customers", "events")
    return [
        Waiting(preset, name, [line for row in rows for line in json.loads(row.lines)], max(row.id for row in rows))
        for (preset, name), rows in sorted(groups.items(), key=lambda one: order.index(one[0][1]))
    ]


def done(connection: Connection, imported: Waiting) -> None:
    """The warehouse has these lines."""
    same = (_shop_report.c.preset == imported.preset, _shop_report.c.table_name == imported.table)
    connection.execute(sa.delete(_shop_report).where(*same, _shop_report.c.id <= imported.upto))
