"""Runs and their batches: claimed, frozen, planned and finished."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from automation.clock import from_millis, to_millis
from automation.errors import StoreError
from automation.store.statements import (
    Connection,
    execute,
    execute_rows,
    insert_statement,
    places,
    read_column,
    read_value,
)
from automation.types.run import RunKind, RunState

if TYPE_CHECKING:
    from pydantic import JsonValue

OPEN_STATES = (RunState.CREATED, RunState.HELD, RunState.PLANNING, RunState.SENDING, RunState.LIVE)


@dataclass(frozen=True)
class RunRow:
    """A run's row in the store."""

    id: int
    campaign: str
    kind: RunKind
    due_key: str
    due_at: datetime
    as_of: datetime | None
    launch_id: int
    state: RunState
    audience: int | None
    created_at: datetime
    finished_at: datetime | None
    versions: Mapping[str, JsonValue]
    offer_plan: Mapping[str, JsonValue]
    error: str | None
    hold: Mapping[str, JsonValue] | None = None
    """While a guard holds it: guard, what, since."""
    released_by: Mapping[str, JsonValue] = field(default_factory=dict)
    """The guards that it was released from, and by whom; `*` is all guards."""
    test: bool = False


def claim(
    connection: Connection,
    *,
    campaign: str,
    kind: RunKind,
    due_key: str,
    due_at: datetime,
    launch_id: int,
    now: datetime,
) -> RunRow | None:
    """Create the run of a due time, once; None if it exists already."""
    row = {
        "campaign": campaign,
        "kind": kind.value,
        "due_key": due_key,
        "due_at": to_millis(due_at),
        "launch_id": launch_id,
        "state": RunState.CREATED.value,
        "created_at": to_millis(now),
        "versions": "{}",
        "offer_plan": "{}",
    }
    statement = insert_statement("run", row) + " ON CONFLICT DO NOTHING RETURNING id"
    made = read_value(connection, statement, *row.values())
    return None if made is None else get(connection, made)


def get(connection: Connection, run_id: int) -> RunRow:
    row = execute(connection, _SELECT + " WHERE id = ?", run_id).fetchone()
    if row is None:
        raise StoreError(f"run {run_id} is not in the store")
    return _row(row)


def find(
    connection: Connection, *, campaign: str | None = None, open_only: bool = False, limit: int = 50
) -> list[RunRow]:
    """The newest runs first."""
    conditions, values = [], list[object]()
    if campaign is not None:
        conditions.append("campaign = ?")
        values.append(campaign)
    if open_only:
        conditions.append(f"state IN ({places(OPEN_STATES)})")
        values += [state.value for state in OPEN_STATES]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = execute(connection, f"{_SELECT}{where} ORDER BY id DESC LIMIT ?", *values, limit)
    return [_row(row) for row in rows]


def campaigns_of(connection: Connection, run_ids: Collection[int]) -> dict[int, str]:
    """The campaign of each of these runs."""
    wanted = list(run_ids)
    rows = execute(connection, f"SELECT id, campaign FROM run WHERE id IN ({places(wanted)})", *wanted)
    return dict(rows.fetchall())


def largest_audience(connection: Connection) -> int:
    """Of all runs over the customers; 0 if there was none. Requests to confirm also reach people who are none yet."""
    return int(read_value(connection, "SELECT max(audience) FROM run WHERE due_key NOT LIKE ?", "requests %") or 0)


def last_due(connection: Connection, campaign: str) -> datetime | None:
    """The due time of the campaign's newest scheduled run."""
    newest = "SELECT max(due_at) FROM run WHERE campaign = ? AND kind = ?"
    millis = read_value(connection, newest, campaign, RunKind.SCHEDULE.value)
    return None if millis is None else from_millis(millis)


def freeze(
    connection: Connection,
    run_id: int,
    batches: Sequence[Sequence[str]],
    *,
    as_of: datetime,
    versions: Mapping[str, JsonValue],
    test: bool = False,
) -> None:
    """Fix a run's audience: the ids of each batch, in their final order. test: nothing of it counts."""
    rows = [(run_id, no, pack(members), len(members), "frozen", 0, "{}") for no, members in enumerate(batches)]
    columns = "run_id, no, members, n, state, epoch, content"
    execute_rows(connection, f"INSERT INTO batch ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    values = {
        "state": RunState.PLANNING.value,
        "audience": sum(row[3] for row in rows),
        "as_of": to_millis(as_of),
        "versions": json.dumps(dict(versions)),
        "test": test,
    }
    if _update(connection, run_id, values, only_in=RunState.CREATED) != 1:
        raise StoreError(f"run {run_id} was frozen already")


def open_standing(connection: Connection, *, campaign: str, launch_id: int, now: datetime, test: bool) -> int:
    """Make the run in which a launched journey's people are, once for each launch; returns its number."""
    key = f"launch {launch_id}"
    made = claim(
        connection, campaign=campaign, kind=RunKind.EVENT, due_key=key, due_at=now, launch_id=launch_id, now=now
    )
    if made is None:
        found = "SELECT id FROM run WHERE campaign = ? AND kind = ? AND due_key = ?"
        return int(read_value(connection, found, campaign, RunKind.EVENT.value, key))
    _update(connection, made.id, {"state": RunState.LIVE.value, "audience": 0, "as_of": to_millis(now), "test": test})
    return made.id


def find_live(connection: Connection) -> list[RunRow]:
    """The runs whose people enter and leave one by one, the oldest first."""
    return [_row(row) for row in execute(connection, _SELECT + " WHERE state = ? ORDER BY id", RunState.LIVE.value)]


def first_standing(connection: Connection, campaign: str) -> datetime | None:
    """When the campaign was first launched as a journey."""
    statement = "SELECT min(due_at) FROM run WHERE campaign = ? AND kind = ? AND due_key LIKE ?"
    return _instant(read_value(connection, statement, campaign, RunKind.EVENT.value, "launch %"))


def add_batch(connection: Connection, run_id: int, members: Sequence[str]) -> int:
    """Add a batch to a run whose people come one by one; returns its number."""
    no = int(read_value(connection, "SELECT coalesce(max(no), -1) + 1 FROM batch WHERE run_id = ?", run_id))
    row = {"run_id": run_id, "no": no, "members": pack(members), "n": len(members)}
    row |= {"state": "frozen", "epoch": 0, "content": "{}"}
    execute(connection, insert_statement("batch", row), *row.values())
    execute(connection, "UPDATE run SET audience = audience + ? WHERE id = ?", len(members), run_id)
    return no


def set_offer_plan(connection: Connection, run_id: int, plan: Mapping[str, JsonValue]) -> None:
    _update(connection, run_id, {"offer_plan": json.dumps(dict(plan))})


def set_state(
    connection: Connection,
    run_id: int,
    state: RunState,
    *,
    now: datetime | None = None,
    error: str | None = None,
) -> None:
    values: dict[str, object] = {"state": state.value, "error": error}
    if now is not None:
        values["finished_at"] = to_millis(now)
    _update(connection, run_id, values)


def take_batches(connection: Connection, run_id: int) -> int:
    """Claim the batches that aren't planned; returns the epoch under which this planner may plan them.

    An earlier planner's epoch is outdated from then on, so that it plans none of them.
    """
    epoch = int(read_value(connection, "SELECT coalesce(max(epoch), 0) + 1 FROM batch WHERE run_id = ?", run_id))
    execute(connection, "UPDATE batch SET epoch = ? WHERE run_id = ? AND state = 'frozen'", epoch, run_id)
    return epoch


def unplanned_batches(connection: Connection, run_id: int) -> list[int]:
    return read_column(connection, "SELECT no FROM batch WHERE run_id = ? AND state = 'frozen' ORDER BY no", run_id)


def count_batches(connection: Connection, run_id: int) -> int:
    return int(read_value(connection, "SELECT count(*) FROM batch WHERE run_id = ?", run_id))


def members(connection: Connection, run_id: int, no: int) -> list[str]:
    """The customer ids of a batch."""
    return unpack(read_value(connection, "SELECT members FROM batch WHERE run_id = ? AND no = ?", run_id, no))


def content(connection: Connection, run_id: int, no: int) -> dict[str, dict[str, JsonValue]]:
    """What the batch's messages show, as it was when they were planned: products, texts of reasons."""
    kept = read_value(connection, "SELECT content FROM batch WHERE run_id = ? AND no = ?", run_id, no)
    found: dict[str, dict[str, JsonValue]] = json.loads(kept)
    return found


def pack(ids: Iterable[str]) -> bytes:
    return zlib.compress(json.dumps(list(ids)).encode(), 1)


def unpack(packed: bytes) -> list[str]:
    ids: list[str] = json.loads(zlib.decompress(packed))
    return ids


_COLUMNS = (
    "id", "campaign", "kind", "due_key", "due_at", "as_of", "launch_id", "state", "audience", "created_at",
    "finished_at", "versions", "offer_plan", "error", "hold", "released_by", "test",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM run"


def _row(values: Sequence[Any]) -> RunRow:
    row = dict(zip(_COLUMNS, values, strict=True))
    instants = {name: _instant(row[name]) for name in ("due_at", "as_of", "created_at", "finished_at")}
    documents = {name: json.loads(row[name]) for name in ("versions", "offer_plan", "released_by")}
    parsed = {
        "kind": RunKind(row["kind"]),
        "state": RunState(row["state"]),
        "hold": None if row["hold"] is None else json.loads(row["hold"]),
        "test": bool(row["test"]),
    }
    return RunRow(**{**row, **instants, **documents, **parsed})


def _instant(millis: int | None) -> datetime | None:
    return None if millis is None else from_millis(millis)


def _update(
    connection: Connection, run_id: int, values: Mapping[str, object], *, only_in: RunState | None = None
) -> int:
    """Set columns of a run, if it is in that state; returns how many rows changed."""
    changes = ", ".join(f"{name} = ?" for name in values)
    state, wanted = ("", ()) if only_in is None else (" AND state = ?", (only_in.value,))
    statement = f"UPDATE run SET {changes} WHERE id = ?{state}"
    return execute(connection, statement, *values.values(), run_id, *wanted).rowcount
