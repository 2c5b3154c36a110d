"""Freezes and plans claimed runs, one after the other, in the planning process."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from automation.clock import monotonic
from automation.daemon.work import FLUSH_EVERY, find_unplanned, has_steps
from automation.errors import AutomationError
from automation.inbound.flush import flush_events
from automation.runner.changed_plugins import pause_changed
from automation.runner.double_opt_in import request_confirmations
from automation.runner.launch_on_merge import launch_merged
from automation.runner.round import advance_journeys
from automation.runner.run import advance
from automation.runner.seed_copies import send_seeds
from automation.store import runs
from automation.store.runs import RunRow
from automation.types.run import RunState
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

_LOOK_EVERY = 1.0
_TRY_AGAIN_AFTER = 30.0


class Planner(threading.Thread):
    """Plans runs that are created or partly planned, also those of an earlier process.

    planned: called after each run. changed: called when `planning` or `not_launched` is another.
    """

    def __init__(
        self,
        workspace: Callable[[], Workspace],
        planned: Callable[[], None],
        changed: Callable[[Planner], None] = lambda _planner: None,
    ) -> None:
        super().__init__(name="planner", daemon=True)
        self.planning: int | None = None
        self.not_launched: tuple[str, ...] = ()
        self._workspace = workspace
        self._planned = planned
        self._changed = changed
        self._work = threading.Event()
        self._stopping = threading.Event()
        self._pass = threading.Lock()
        self._files_changed = True
        self._not_before: dict[int, float] = {}
        self._step_after = 0.0
        self._confirmation_error: str | None = None
        self._flushed = monotonic()

    def wake(self) -> None:
        """A run was claimed."""
        self._work.set()

    def check_launches(self) -> None:
        """The project's files changed: some may have to be launched (`launch: on_merge`)."""
        self._files_changed = True
        self._work.set()

    def flush_soon(self) -> None:
        """Events have waited for long enough."""
        self._flushed = -FLUSH_EVERY
        self._work.set()

    def stop(self) -> None:
        """Stop before the next batch; planned batches stay planned."""
        self._stopping.set()
        self._work.set()

    def stop_if_idle(self) -> bool:
        """Stop unless something is being done right now; returns whether it stops."""
        idle = self._pass.acquire(blocking=False)
        if idle:
            self.stop()
            self._pass.release()
        return idle

    def run(self) -> None:
        while not self._stopping.is_set():
            self._work.wait(_LOOK_EVERY)
            self._work.clear()
            with self._pass:
                self._look()

    def _look(self) -> None:
        if not self._stopping.is_set():
            try:
                self._launch_merged()
                self._plan_all()
                self._step_all()
                self._flush_if_due()
            except Exception:
                log.exception("planning failed")
                self._flushed = monotonic()

    def _launch_merged(self) -> None:
        if self._files_changed:
            self._files_changed = False
            workspace = self._workspace()
            self.not_launched = (*launch_merged(workspace), *pause_changed(workspace))
            self._changed(self)

    def _plan_all(self) -> None:
        workspace = self._workspace()
        self._request_confirmations(workspace)
        pinned = LaunchedCampaigns(workspace.project)
        for run in self._waiting(workspace):
            if self._stopping.is_set():
                return
            self._plan(workspace, pinned, run)
            self._planned()

    def _step_all(self) -> None:
        """Take everybody in a journey who is due a step further, until nobody is."""
        workspace = self._workspace()
        pinned = LaunchedCampaigns(workspace.project)
        while not self._stopping.is_set() and monotonic() >= self._step_after:
            with workspace.store.reading() as connection:
                if not has_steps(connection, now=workspace.clock.now()):
                    return
            done = advance_journeys(workspace, pinned)
            self._planned()
            for (campaign, reason), count in done.passed_over.items():
                log.info("nobody begins", campaign=campaign, because=reason, events=count)
            if done.failed:
                self._step_after = monotonic() + _TRY_AGAIN_AFTER
            if not done.stepped:
                return

    def _request_confirmations(self, workspace: Workspace) -> None:
        """Log an error once, until it changes; the requests wait."""
        error_before, self._confirmation_error = self._confirmation_error, None
        try:
            request_confirmations(workspace)
        except AutomationError as error:
            self._confirmation_error = str(error)
            if str(error) != error_before:
                log.warning("confirmation requests cannot be sent; they wait", because=str(error))

    def _flush_if_due(self) -> None:
        """Move events to the warehouse every five minutes, even if no run needs them.

        The planner does it because no two flushes may overlap.
        """
        if monotonic() - self._flushed < FLUSH_EVERY:
            return
        workspace = self._workspace()
        warehouse = workspace.warehouse()
        try:
            flush_events(workspace, warehouse)
        finally:
            warehouse.close()
        self._flushed = monotonic()

    def _waiting(self, workspace: Workspace) -> list[RunRow]:
        with workspace.store.reading() as connection:
            waiting = find_unplanned(connection)
        now = monotonic()
        ready = [run for run in waiting if self._is_ready(run, now)]
        return sorted(ready, key=lambda run: -_priority(workspace, run))  # planned first, first under the caps

    def _is_ready(self, run: RunRow, now: float) -> bool:
        released = run.state is not RunState.HELD and bool(run.released_by)
        return released or self._not_before.get(run.id, 0) <= now

    def _plan(self, workspace: Workspace, pinned: LaunchedCampaigns, run: RunRow) -> None:
        self._note_planning(run.id)
        started = monotonic()
        try:
            if not advance(workspace, pinned, run.id, halted=self._stopping.is_set):
                self._note_hold(workspace, run)
                return
            log.info("run planned", run=run.id, campaign=run.campaign, seconds=round(monotonic() - started, 1))
            if copies := send_seeds(workspace, pinned, run.id):
                log.info("seed copies sent", run=run.id, copies=copies)
        except Exception:
            self._not_before[run.id] = monotonic() + _TRY_AGAIN_AFTER
            log.exception("run can't be planned", run=run.id, campaign=run.campaign)
        finally:
            self._note_planning(None)

    def _note_planning(self, run_id: int | None) -> None:
        self.planning = run_id
        self._changed(self)

    def _note_hold(self, workspace: Workspace, run: RunRow) -> None:
        """Check a held run again after a while, or as soon as it is released."""
        with workspace.store.reading() as connection:
            now = runs.get(connection, run.id)
        if now.hold is not None:
            self._not_before[run.id] = monotonic() + _TRY_AGAIN_AFTER
            if run.hold is None:
                log.warning("run held", run=run.id, campaign=run.campaign, because=now.hold["what"])


def _priority(workspace: Workspace, run: RunRow) -> int:
    """The campaign's priority in its current file."""
    file = workspace.project.campaigns.get(run.campaign)
    return file.campaign.priority if file is not None and file.campaign is not None else 50
