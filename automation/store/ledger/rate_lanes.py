"""The state of each rate lane: of a provider, a recipient domain or a campaign."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from automation.store.statements import Connection, execute, execute_rows, insert_statement


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
    found = (RateLaneRow(*row) for row in execute(connection, f"SELECT {', '.join(_COLUMNS)} FROM rate_lane"))
    return {row.name: row for row in found}


def write_lanes(connection: Connection, rows: Iterable[RateLaneRow]) -> None:
    execute_rows(connection, _SAVE, [tuple(vars(row).values()) for row in rows])


_COLUMNS = ("name", "per_second", "next_at", "held_until", "changed_at", "day", "day_count", "silent_since")
_SAVE = (
    f"{insert_statement('rate_lane', _COLUMNS)} ON CONFLICT (name) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)
