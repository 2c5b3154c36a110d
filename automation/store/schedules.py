"""Due times in the store: which are handled, which run belongs to one, and when a run's next message is due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store import runs
from automation.store.engine import table
from automation.store.ledger import queues
from automation.store.runs import RunRow
from automation.store.tables import Fact, Run
from automation.types.run import RunKind

_fact, _run = table(Fact), table(Run)
_PREFIX = "due_until:"


def handled_until(connection: Connection, campaign: str) -> datetime | None:
    """Until when the campaign's due times are handled: each was run or skipped, and none is caught up again."""
    value = connection.execute(sa.select(_fact.c.value).where(_fact.c.key == _PREFIX + campaign)).scalar()
    return None if value is None else from_millis(int(value))


def set_handled_until(connection: Connection, campaigns: Iterable[str], until: datetime) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    for campaign in campaigns:
        row = dialect.insert(_fact).values(key=_PREFIX + campaign, value=str(to_millis(until)))
        connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded.value}))


def find_run(connection: Connection, campaign: str, kind: RunKind, key: str) -> RunRow:
    """The run of this due time or request."""
    found = sa.select(_run.c.id).where(_run.c.campaign == campaign, _run.c.kind == kind.value, _run.c.due_key == key)
    return runs.get(connection, connection.execute(found).scalar_one())


def next_due_of_run(connection: Connection, run_id: int) -> datetime | None:
    """When the run's earliest queued message is due."""
    times = (due for queue, due in queues.first_due_times(connection) if queue.run_id == run_id)
    millis = min(times, default=None)
    return None if millis is None else from_millis(millis)
