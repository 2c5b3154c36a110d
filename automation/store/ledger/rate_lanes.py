"""The state of each rate lane: of a provider, a recipient domain or a campaign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.store.engine import table
from automation.store.tables import RateLane

_lane = table(RateLane)


@dataclass
class RateLaneRow:
    """A lane's state. Times in microseconds.

    per_second: the adaptive rate while it is below the configured one. silent_since: its provider answers nothing; 0
    where it does.
    """

    name: str
    per_second: float | None = None
    next_at: int = 0
    held_until: int = 0
    changed_at: int = 0
    day: str = ""
    day_count: int = 0
    silent_since: int = 0


def read_lanes(connection: Connection) -> dict[str, RateLaneRow]:
    """Every lane that has a state, by name."""
    names = (c.name for c in _lane.columns)
    return {row.name: RateLaneRow(*row) for row in connection.execute(sa.select(*(_lane.c[name] for name in names)))}


def write_lanes(connection: Connection, rows: Iterable[RateLaneRow]) -> None:
    found = [vars(row) for row in rows]
    if found:
        connection.execute(_SAVE, found)


_SAVE = sa.text(
    "INSERT INTO rate_lane (name, per_second, next_at, held_until, changed_at, day, day_count, silent_since) "
    "VALUES (:name, :per_second, :next_at, :held_until, :changed_at, :day, :day_count, :silent_since) "
    "ON CONFLICT (name) DO UPDATE SET per_second = excluded.per_second, next_at = excluded.next_at, "
    "held_until = excluded.held_until, changed_at = excluded.changed_at, day = excluded.day, "
    "day_count = excluded.day_count, silent_since = excluded.silent_since"
)
