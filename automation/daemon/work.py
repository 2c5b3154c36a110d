"""Whether there is something to plan, as the store tells it, without a look at the warehouse."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from automation.clock import from_millis
from automation.store import entries, pauses, runs, watermarks
from automation.store.inbox import inbox, shop_reports
from automation.store.people import double_opt_in
from automation.store.runs import RunRow
from automation.types.consent import ConsentSettings
from automation.types.run import RunState

FLUSH_EVERY = 300.0
"""Seconds after which events move to the warehouse, even if no run needs them."""


def find_unplanned(connection: Connection) -> list[RunRow]:
    """Runs that are not planned, the oldest first, without those of stopped and paused campaigns."""
    paused = pauses.paused_scopes(connection)
    found = [] if paused.everything else runs.find(connection, open_only=True, limit=1_000)
    unplanned = (run for run in reversed(found) if run.state not in (RunState.SENDING, RunState.LIVE))
    return [run for run in unplanned if run.campaign not in paused.scopes]


def has_events(connection: Connection) -> bool:
    """Whether something waits for a flush."""
    return inbox.has_waiting(connection) or shop_reports.has_waiting(connection)


def has_steps(connection: Connection, *, now: datetime) -> bool:
    """Whether somebody in a journey is due, or something came in that no journey has heard."""
    due = next_step(connection)
    if due is not None and due <= now:
        return True
    return bool(runs.find_live(connection)) and watermarks.has_unheard(connection)


def next_step(connection: Connection) -> datetime | None:
    """When somebody in a journey is due next, in one that is neither stopped nor paused."""
    paused = pauses.paused_scopes(connection)
    live = [] if paused.everything else runs.find_live(connection)
    going_on = [run.id for run in live if run.campaign not in paused.scopes]
    due = entries.first_due(connection, going_on) if going_on else None
    return None if due is None else from_millis(due)


def has_work(connection: Connection, settings: ConsentSettings, *, now: datetime) -> bool:
    """Whether a run waits for its plan, a journey for a step, or a request for its confirmation."""
    if find_unplanned(connection) or has_steps(connection, now=now):
        return True
    asks = bool(settings.double_opt_in)
    return asks and double_opt_in.has_work(connection, now=now, valid=settings.confirm_within)
