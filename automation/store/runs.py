"""Runs and their batches: claimed, frozen, planned and finished."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import JsonValue
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.errors import StoreError
from automation.store.engine import insert_rows, table
from automation.store.tables import Batch, Run
from automation.types.run import RunKind, RunState

_run, _batch = table(Run), table(Batch)
OPEN_STATES = (RunState.CREATED, RunState.HELD, RunState.PLANNING, RunState.SENDING)


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
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
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
    made = connection.execute(dialect.insert(_run).values(row).on_conflict_do_nothing().returning(_run.c.id)).scalar()
    return None if made is None else get(connection, made)


def get(connection: Connection, run_id: int) -> RunRow:
    row = connection.execute(sa.select(_run).where(_run.c.id == run_id)).one_or_none()
    if row is None:
        raise StoreError(f"run {run_id} is not in the store")
    return _row(row)


def find(
    connection: Connection, *, campaign: str | None = None, open_only: bool = False, limit: int = 50
) -> list[RunRow]:
    """The newest runs first."""
    query = sa.select(_run).order_by(_run.c.id.desc()).limit(limit)
    if campaign is not None:
        query = query.where(_run.c.campaign == campaign)
    if open_only:
        query = query.where(_run.c.state.in_([state.value for state in OPEN_STATES]))
    return [_row(row) for row in connection.execute(query)]


def campaigns_of(connection: Connection, run_ids: Collection[int]) -> dict[int, str]:
    """The campaign of each of these runs."""
    query = sa.select(_run.c.id, _run.c.campaign).where(_run.c.id.in_(run_ids))
    return {row.id: row.campaign for row in connection.execute(query)}


def largest_audience(connection: Connection) -> int:
    """Of all runs; 0 if there was none."""
    return int(connection.execute(sa.select(sa.func.max(_run.c.audience))).scalar() or 0)


def last_due(connection: Connection, campaign: str) -> datetime | None:
    """The due time of the campaign's newest scheduled run."""
    query = sa.select(sa.func.max(_run.c.due_at)).where(_run.c.campaign == campaign, _run.c.kind == RunKind.SCHEDULE)
    millis = connection.execute(query).scalar()
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
    insert_rows(connection, Batch, ("run_id", "no", "members", "n", "state", "epoch", "content"), rows)
    values = {
        "state": RunState.PLANNING.value,
        "audience": sum(row[3] for row in rows),
        "as_of": to_millis(as_of),
        "versions": json.dumps(dict(versions)),
        "test": test,
    }
    changed = sa.update(_run).where(_run.c.id == run_id, _run.c.state == RunState.CREATED.value).values(values)
    if connection.execute(changed).rowcount != 1:
        raise StoreError(f"run {run_id} was frozen already")


def set_offer_plan(connection: Connection, run_id: int, plan: Mapping[str, JsonValue]) -> None:
    connection.execute(sa.update(_run).where(_run.c.id == run_id).values(offer_plan=json.dumps(dict(plan))))


def set_state(
    connection: Connection, run_id: int, state: RunState, *, now: datetime | None = None, error: str | None = None
) -> None:
    values: dict[str, object] = {"state": state.value, "error": error}
    if now is not None:
        values["finished_at"] = to_millis(now)
    connection.execute(sa.update(_run).where(_run.c.id == run_id).values(values))


def take_batches(connection: Connection, run_id: int) -> int:
    """Claim the batches that aren't planned; returns the epoch under which this planner may plan them.

    An earlier planner's epoch is outdated from then on, so that it plans none of them.
    """
    mine = sa.select(sa.func.coalesce(sa.func.max(_batch.c.epoch), 0) + 1).where(_batch.c.run_id == run_id)
    epoch = int(connection.execute(mine).scalar_one())
    taken = sa.update(_batch).where(_batch.c.run_id == run_id, _batch.c.state == "frozen").values(epoch=epoch)
    connection.execute(taken)
    return epoch


def unplanned_batches(connection: Connection, run_id: int) -> list[int]:
    query = sa.select(_batch.c.no).where(_batch.c.run_id == run_id, _batch.c.state == "frozen").order_by(_batch.c.no)
    return list(connection.execute(query).scalars())


def count_batches(connection: Connection, run_id: int) -> int:
    query = sa.select(sa.func.count()).select_from(_batch).where(_batch.c.run_id == run_id)
    return int(connection.execute(query).scalar_one())


def members(connection: Connection, run_id: int, no: int) -> list[str]:
    """The customer ids of a batch."""
    query = sa.select(_batch.c.members).where(_batch.c.run_id == run_id, _batch.c.no == no)
    return unpack(connection.execute(query).scalar_one())


def content(connection: Connection, run_id: int, no: int) -> dict[str, dict[str, JsonValue]]:
    """What the batch's messages show, as it was when they were planned: products, texts of reasons."""
    query = sa.select(_batch.c.content).where(_batch.c.run_id == run_id, _batch.c.no == no)
    found: dict[str, dict[str, JsonValue]] = json.loads(connection.execute(query).scalar_one())
    return found


def pack(ids: Iterable[str]) -> bytes:
    return zlib.compress(json.dumps(list(ids)).encode(), 1)


def unpack(packed: bytes) -> list[str]:
    ids: list[str] = json.loads(zlib.decompress(packed))
    return ids


def _row(row: Any) -> RunRow:
    return RunRow(
        id=row.id,
        campaign=row.campaign,
        kind=RunKind(row.kind),
        due_key=row.due_key,
        due_at=from_millis(row.due_at),
        as_of=None if row.as_of is None else from_millis(row.as_of),
        launch_id=row.launch_id,
        state=RunState(row.state),
        audience=row.audience,
        created_at=from_millis(row.created_at),
        finished_at=None if row.finished_at is None else from_millis(row.finished_at),
        versions=json.loads(row.versions),
        offer_plan=json.loads(row.offer_plan),
        error=row.error,
        hold=None if row.hold is None else json.loads(row.hold),
        released_by=json.loads(row.released_by),
        test=bool(row.test),
    )
