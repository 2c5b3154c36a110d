"""A run that a person started, delivered in this process or watched while the daemon delivers it."""

from __future__ import annotations

import asyncio
import time

from automation.daemon.lock import Locked, hold_lock
from automation.delivery.committer import Delivery, make_executor
from automation.ids import new_request_id
from automation.runner import backup
from automation.runner.claim import claim
from automation.runner.finish import finish
from automation.runner.run import advance
from automation.runner.seed_copies import send_seeds
from automation.schedule.due_times import Due
from automation.store import runs, schedules
from automation.store.ledger import accounts
from automation.store.runs import RunRow
from automation.types.progress import Progress, quiet
from automation.types.run import RunKind, RunState
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

_LOOK_EVERY = 0.5
_IN_THIS_PROCESS = 2_000
"""Up to so many messages, this process delivers faster than workers could start."""
_OVER = (RunState.HELD, RunState.DONE, RunState.FAILED, RunState.STOPPED, RunState.EXPIRED)


def request_run(
    workspace: Workspace, campaign: str, key: str | None, *, released_by: str | None = None
) -> tuple[RunRow, bool]:
    """The run of this request, and whether it is new. Raises `AutomationError` if the campaign isn't launched.

    released_by: the person who releases it from every guard.
    """
    key = key or new_request_id()
    backup.check_restored_copy(workspace)
    made = claim(workspace, campaign, Due(RunKind.MANUAL, key, workspace.clock.now()), released_by=released_by)
    if made is not None:
        return made, True
    with workspace.store.reading() as connection:
        return schedules.find_run(connection, campaign, RunKind.MANUAL, key), False


def execute_run(workspace: Workspace, run_id: int, progress: Progress = quiet) -> None:
    """Plan and deliver what is due now; while another process holds the lock, watch, and take over if it ends."""
    look: Progress = quiet
    while not _has_finished_for_now(workspace, run_id, look):
        try:
            with hold_lock(workspace.project.data_dir):
                _work_here(workspace, run_id, progress)
            return
        except Locked:
            look = progress
            time.sleep(_LOOK_EVERY)


def _work_here(workspace: Workspace, run_id: int, progress: Progress) -> None:
    pinned = LaunchedCampaigns(workspace.project)
    if advance(workspace, pinned, run_id, progress=progress):
        send_seeds(workspace, pinned, run_id)
    with workspace.store.reading() as connection:
        many = accounts.account(connection, run_id).queued > _IN_THIS_PROCESS
    executor = make_executor(workspace) if many else None
    asyncio.run(Delivery(workspace, pinned, _of_run(workspace, run_id, progress), executor).deliver_due())
    finish(workspace)


def _of_run(workspace: Workspace, run_id: int, progress: Progress) -> Progress:
    """Delivery counts all due messages; the progress shown ends at this run's own number."""
    with workspace.store.reading() as connection:
        total = accounts.account(connection, run_id).queued
    return lambda stage, done, _all: progress(stage, min(done, total), total)


def _has_finished_for_now(workspace: Workspace, run_id: int, progress: Progress) -> bool:
    """Whether the run is over, or waits for a later time."""
    with workspace.store.reading() as connection:
        run = runs.get(connection, run_id)
        account = accounts.account(connection, run_id)
        due = schedules.next_due_of_run(connection, run_id)
    open_ = account.unplanned + account.queued + account.sending
    progress(run.state.value, account.audience - open_, account.audience)
    waits = due is not None and due > workspace.clock.now()
    return run.state in _OVER or (run.state is RunState.SENDING and account.sending == 0 and waits)
