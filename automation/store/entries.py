"""People in journeys: where each stands. Frames in, frames out."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from automation.clock import from_millis
from automation.store.statements import Connection, execute, execute_rows, listed, places, read_value
from automation.types.entry import ENTRY_COLUMNS

CAMPAIGN = "campaign"
_COLUMNS = (CAMPAIGN, *ENTRY_COLUMNS)
_SCHEMA = {CAMPAIGN: pl.String(), **ENTRY_COLUMNS}
_SELECT = f"SELECT {', '.join('e.' + name for name in _COLUMNS)} FROM entry e"
_NEW = tuple(name for name in _COLUMNS if name != "id")
_MOVED = ("step", "due_at", "since", "message_id", "heard", "path")


def read_open(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """`campaign` and `ENTRY_COLUMNS` of the open entries of these customers."""
    ids = json.dumps(list(dict.fromkeys(customers)))
    statement = f"{_SELECT} WHERE e.ended_at IS NULL AND e.customer_id IN ({listed(connection)})"
    return _frame(execute(connection, statement, ids).fetchall())


def read_due(connection: Connection, run_id: int, *, now: int, limit: int) -> pl.DataFrame:
    """`campaign` and `ENTRY_COLUMNS` of the open entries of a run that are due by now (milliseconds), oldest first."""
    statement = f"{_SELECT} WHERE e.run_id = ? AND e.ended_at IS NULL AND e.due_at <= ? ORDER BY e.due_at LIMIT ?"
    return _frame(execute(connection, statement, run_id, now, limit).fetchall())


def first_due(connection: Connection, run_ids: Sequence[int]) -> int | None:
    """When the next of these runs' entries is due (milliseconds)."""
    statement = f"SELECT min(due_at) FROM entry WHERE ended_at IS NULL AND run_id IN ({places(run_ids)})"
    found = read_value(connection, statement, *run_ids)
    return None if found is None else int(found)


def begin(connection: Connection, entries: pl.DataFrame) -> None:
    """Insert entries: `campaign` and `ENTRY_COLUMNS` but `id`. One whose person has an open one already is left out."""
    statement = f"INSERT INTO entry ({', '.join(_NEW)}) VALUES ({places(_NEW)}) ON CONFLICT DO NOTHING"
    execute_rows(connection, statement, entries.select(_NEW).rows())


def begin_ended(connection: Connection, entries: pl.DataFrame) -> None:
    """Insert entries that ended before they were settled, for `explain`: as `begin`, with `ended` and `ended_at`."""
    columns = (*_NEW, "ended", "ended_at")
    statement = f"INSERT INTO entry ({', '.join(columns)}) VALUES ({places(columns)})"
    execute_rows(connection, statement, entries.select(columns).rows())


def move(connection: Connection, entries: pl.DataFrame) -> None:
    """Write where the entries stand now, by `id`."""
    changes = ", ".join(f"{name} = ?" for name in _MOVED)
    statement = f"UPDATE entry SET {changes} WHERE id = ? AND ended_at IS NULL"
    execute_rows(connection, statement, entries.sort("id").select(*_MOVED, "id").rows())


def end(connection: Connection, entries: pl.DataFrame) -> None:
    """End entries: `id`, `path`, `ended` and `ended_at`."""
    statement = (
        "UPDATE entry SET ended = ?, ended_at = ?, path = ?, due_at = NULL, message_id = NULL "
        "WHERE id = ? AND ended_at IS NULL"
    )
    execute_rows(connection, statement, entries.sort("id").select("ended", "ended_at", "path", "id").rows())


def still_there(connection: Connection, entries: pl.DataFrame) -> set[int]:
    """The ids of those of these entries that still stand at the same step and are due at the same time."""
    wanted = {int(one): (step, due) for one, step, due in entries.select("id", "step", "due_at").iter_rows()}
    statement = f"SELECT id, step, due_at FROM entry WHERE ended_at IS NULL AND id IN ({places(list(wanted))})"
    found = execute(connection, statement, *wanted).fetchall()
    return {int(one) for one, step, due in found if wanted[int(one)] == (step, due)}


def find_again(connection: Connection, campaign: str, entries: pl.DataFrame) -> list[str]:
    """The customers of these entries who had one for the same order, cart or product that was not refused."""
    asked = entries.filter(pl.col("subject") != "").select("customer_id", "subject").rows()
    if not asked:
        return []
    customers = list(dict.fromkeys(one for one, _ in asked))
    statement = (
        "SELECT customer_id, subject FROM entry WHERE campaign = ? AND ended_at IS NOT NULL AND subject <> '' "
        f"AND ended NOT IN ('not_in_audience', 'reentry') AND customer_id IN ({places(customers)})"
    )
    known = {
        (customer, subject) for customer, subject in execute(connection, statement, campaign, *customers).fetchall()
    }
    return [customer for customer, subject in asked if (customer, subject) in known]


@dataclass(frozen=True)
class EntryRow:
    """One entry as people look at it."""

    id: int
    campaign: str
    run_id: int
    customer_id: str
    subject: str
    step: str
    due_at: datetime | None
    entered_at: datetime
    cause: str
    message_id: str | None
    path: str
    ended_at: datetime | None
    ended: str | None


_SHOWN = (
    "id", "campaign", "run_id", "customer_id", "subject", "step", "due_at", "entered_at", "cause", "message_id", "path",
    "ended_at", "ended",
)  # fmt: skip


def of_customer(connection: Connection, customer_id: str, campaign: str) -> list[EntryRow]:
    """The entries of a customer in a campaign, the newest first."""
    statement = f"SELECT {', '.join(_SHOWN)} FROM entry WHERE customer_id = ? AND campaign = ? ORDER BY id DESC"
    return [_row(row) for row in execute(connection, statement, customer_id, campaign).fetchall()]


def count_open(connection: Connection, run_id: int) -> int:
    """How many people are in a run now."""
    return int(read_value(connection, "SELECT count(*) FROM entry WHERE run_id = ? AND ended_at IS NULL", run_id))


def count_by_step(connection: Connection, run_id: int) -> list[tuple[str, str | None, int]]:
    """Step, reason of ending (None while open) and how many of a run's entries."""
    statement = "SELECT step, ended, count(*) FROM entry WHERE run_id = ? GROUP BY step, ended ORDER BY step, ended"
    return [(step, ended, int(n)) for step, ended, n in execute(connection, statement, run_id).fetchall()]


def _frame(rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in rows], schema=_SCHEMA, orient="row")


def _row(values: Sequence[Any]) -> EntryRow:
    row = dict(zip(_SHOWN, values, strict=True))
    instants = {
        name: None if row[name] is None else from_millis(row[name]) for name in ("due_at", "entered_at", "ended_at")
    }
    return EntryRow(**{**row, **instants})
