"""Due times in the store: which are handled, which run belongs to one, and when a run's next message is due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from automation.clock import from_millis, to_millis
from automation.store import runs
from automation.store.ledger import queues
from automation.store.runs import RunRow
from automation.store.statements import Connection, execute_rows, read_value
from automation.types.run import RunKind

_PREFIX = "due_until:"
_SET = "INSERT INTO fact (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


def handled_until(connection: Connection, campaign: str) -> datetime | None:
    """Until when the campaign's due times are handled: each was run or skipped, and none is caught up again."""
    value = read_value(connection, "SELECT value FROM fact WHERE key = ?", _PREFIX + campaign)
    return None if value is None else from_millis(int(value))


def set_handled_until(connection: Connection, campaigns: Iterable[str], until: datetime) -> None:
    at = str(to_millis(until))
    execute_rows(connection, _SET, [(_PREFIX + campaign, at) for campaign in campaigns])


def find_run(connection: Connection, campaign: str, kind: RunKind, key: str) -> RunRow:
    """The run of this due time or request."""
    found = "SELECT id FROM run WHERE campaign = ? AND kind = ? AND due_key = ?"
    return runs.get(connection, read_value(connection, found, campaign, kind.value, key))


def next_due_of_run(connection: Connection, run_id: int) -> datetime | None:
    """When the run's earliest queued message is due."""
    times = (due for queue, due in queues.first_due_times(connection) if queue.run_id == run_id)
    millis = min(times, default=None)
    return None if millis is None else from_millis(millis)
