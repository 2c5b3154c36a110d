"""Runs that a guard holds, and the history that guards compare with."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.runs import RunRow
from automation.store.tables import Decision, MessageStatus, Run
from automation.types.run import RunState

_run, _decision, _status = table(Run), table(Decision), table(MessageStatus)
_LEFT = ("queued", "sending", "sent", "ambiguous")


def hold(connection: Connection, run_id: int, *, guard: str, what: str, now: datetime) -> None:
    """Hold a run; its frozen audience stays."""
    since = connection.execute(sa.select(_run.c.hold).where(_run.c.id == run_id)).scalar()
    begun = json.loads(since)["since"] if since else now.isoformat()
    values = {"state": RunState.HELD.value, "hold": json.dumps({"guard": guard, "what": what, "since": begun})}
    connection.execute(sa.update(_run).where(_run.c.id == run_id).values(values))


def end_hold(connection: Connection, run: RunRow) -> None:
    """Continue a held run where it was: freezing, or planning its frozen audience."""
    state = RunState.CREATED if run.audience is None else RunState.PLANNING
    held = (_run.c.id == run.id) & (_run.c.state == RunState.HELD.value)
    connection.execute(sa.update(_run).where(held).values(state=state.value, hold=None))


def release(connection: Connection, run: RunRow, *, by: str) -> None:
    """Release a held run in a person's name, which is kept with the run."""
    guard = str((run.hold or {}).get("guard", "*"))
    released_by = json.dumps({**run.released_by, guard: by})
    connection.execute(sa.update(_run).where(_run.c.id == run.id).values(released_by=released_by))
    end_hold(connection, run)


def release_in_advance(connection: Connection, run_id: int, *, by: str) -> None:
    """Release a run from every guard in advance."""
    connection.execute(sa.update(_run).where(_run.c.id == run_id).values(released_by=json.dumps({"*": by})))


def recent_recipients(connection: Connection, campaign: str, *, since: datetime, but: int) -> pl.Series:
    """Customers with a live message of another run of this campaign since then."""
    query = (
        sa.select(_decision.c.customer_id)
        .join(_status, _status.c.decision_id == _decision.c.id)
        .join(_run, _run.c.id == _decision.c.run_id)
        .where(
            _decision.c.campaign == campaign,
            _decision.c.decided_at >= to_millis(since),
            _decision.c.run_id != but,
            _status.c.state.in_(_LEFT),
            _run.c.test.is_(sa.false()),
        )
        .distinct()
    )
    return pl.Series("customer_id", list(connection.execute(query).scalars()), dtype=pl.String)


def audience_sizes(connection: Connection, campaign: str, *, limit: int) -> list[int]:
    """The audience sizes of the campaign's last runs that were sent."""
    query = (
        sa.select(_run.c.audience)
        .where(
            _run.c.campaign == campaign,
            _run.c.audience.is_not(None),
            _run.c.test.is_(sa.false()),
            _run.c.state.in_([RunState.SENDING.value, RunState.DONE.value]),
        )
        .order_by(_run.c.id.desc())
        .limit(limit)
    )
    return [int(size) for size in connection.execute(query).scalars()]
