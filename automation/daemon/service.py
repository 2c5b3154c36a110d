"""The daemon: scheduler, planner, sender and file watcher over one workspace, from start to a graceful stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog
from sqlalchemy.engine import Connection

from automation.clock import monotonic
from automation.config.problems import Problem
from automation.daemon.clock_watch import GAP, ClockWatch, apply_clock_watch, pause_everything
from automation.daemon.health import BEAT, Beat, read_health
from automation.daemon.lock import hold_lock
from automation.daemon.mailbox_poller import MailboxPoller
from automation.daemon.planning import Planning
from automation.daemon.reload import Watcher
from automation.daemon.scheduler import Scheduler
from automation.daemon.sender import Sender
from automation.errors import AutomationError
from automation.runner import backup
from automation.runner.due_runs import claim_due
from automation.schedule.calendar import ScheduledCampaign, scheduled_campaigns
from automation.store import launches, pauses
from automation.store.repeated_query import RepeatedQuery
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace, open_project

log = structlog.get_logger(__name__)

GRACE = 8.0
"""Seconds that messages being sent may take to finish after a request to stop."""
_TICK = 1.0
_SWEEP_EVERY = 60.0


class StoreState(NamedTuple):
    """What the main loop looks at in the store. scopes: what is stopped or paused. launched: the ids of launches."""

    scopes: frozenset[str]
    launched: frozenset[int]


def read_state(connection: Connection) -> StoreState:
    launched = launches.current_launches(connection).values()
    return StoreState(pauses.paused_scopes(connection).scopes, frozenset(launch.id for launch in launched))


class Companion(Protocol):
    """Something that runs as long as the daemon: the web app."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def join(self, timeout: float | None = None) -> None: ...


Accompany = Callable[[Callable[[], Workspace]], Companion | None]
"""Makes the companion of a daemon from a function that gives the current workspace; None: no companion."""


def no_companion(_workspace: Callable[[], Workspace]) -> None:
    """No companion."""


class Service:
    """One life of the daemon. `serve` returns once `stopping` is set and everything has ended."""

    def __init__(self, workspace: Workspace, stopping: threading.Event, accompany: Accompany = no_companion) -> None:
        self._workspace = workspace
        self._stopping = stopping
        self._started_at = workspace.clock.now()
        self._changed: list[str] = []
        self._problems: tuple[str, ...] = ()
        self._following: frozenset[int] | None = None
        self._follow_again = 0.0
        self._keys = workspace.store.keys
        self._store_state = RepeatedQuery(workspace.store, read_state)
        self.scheduler = Scheduler(self._claim)
        self.clock = ClockWatch(workspace.clock)
        self.sender = Sender(lambda: self._workspace, self.clock.trusts)
        self.planner = Planning(lambda: self._workspace, self.sender.wake, stopping.is_set)
        self.watcher = Watcher(workspace.project.root, self._note)
        self.mailbox_poller = MailboxPoller(lambda: self._workspace)
        self._accompany = accompany
        self._companion: Companion | None = None

    def serve(self) -> bool:
        """Work until `stopping` is set; returns whether every part ended in time."""
        with hold_lock(self._workspace.project.data_dir):
            log.info("daemon started", pid=os.getpid(), project=str(self._workspace.project.root))
            self._check_store_and_clock()
            self._beat("starting")
            self._report(self._workspace.project.problems)
            # The web app starts before anything is sent, since links in messages lead to it.
            self._companion = self._accompany(lambda: self._workspace)
            if self._companion is not None:
                self._companion.start()
            for part in (self.scheduler, self.sender, self.planner, self.watcher, self.mailbox_poller):
                part.start()
            self._follow(self._store_state.result().launched)
            self._loop()
            clean = self._shut_down()
            self._store_state.close()
            self._beat("stopped")
            log.info("daemon stopped", clean=clean, sent=self.sender.sent)
        return clean

    def _loop(self) -> None:
        beaten = swept = monotonic()
        self._beat("running")
        while not self._stopping.wait(_TICK):
            try:
                self._look()
                if monotonic() - swept >= _SWEEP_EVERY:
                    self.scheduler.sweep()
                    swept = monotonic()
            except Exception:
                log.exception("main loop iteration failed; retrying")
            if monotonic() - beaten >= BEAT.total_seconds():
                self._apply_new_keys()
                self._beat("running")
                beaten = monotonic()

    def _look(self) -> None:
        """At the clock, the files and the launches; without a query while nothing was committed."""
        scopes, launched = self._store_state.result()
        apply_clock_watch(self.clock, self._workspace, scopes)
        if self._changed:
            self._reload()
        self._follow(launched)

    def _shut_down(self) -> bool:
        self._beat("stopping")
        log.info("stopping", because="a signal or command")
        self.scheduler.stop()
        self.watcher.stop()
        self.mailbox_poller.stop()
        self.planner.stop()
        self.sender.stop()
        deadline = monotonic() + GRACE
        for thread in (self.sender, self.planner, self.watcher):
            thread.join(max(0.0, deadline - monotonic()))
        if self._companion is not None:  # last, so that recipients can respond until the end
            self._companion.stop()
            self._companion.join(max(1.0, deadline - monotonic()))
        late = [thread.name for thread in (self.sender, self.planner) if thread.is_alive()]
        if late:
            log.warning("some parts did not end in time; the next start recovers their messages", parts=late)
        return not late

    # The clock

    def _check_store_and_clock(self) -> None:
        """Before anything else: notice a restored store, and a clock behind the last heartbeat."""
        if reason := self._find_quarantine():
            log.error("nothing is sent; to resume: automation resume --restored", because=reason)
        beat = read_health(self._workspace.project.data_dir, self._workspace.clock.now()).beat
        if beat is not None and beat.at - self._workspace.clock.now() > GAP:
            pause_everything(self._workspace, self._workspace.clock.now() - beat.at)

    def _find_quarantine(self) -> str | None:
        """Beside a warehouse, by the planning process, so that this one does not load what reads it."""
        if not backup.needs_warehouse(self._workspace):
            return backup.check_restored_copy(self._workspace)
        try:
            return self.planner.check_restored_copy()
        except AutomationError as error:
            log.error("the planning process can't be used; its check is made here", because=str(error))
            return backup.check_restored_copy(self._workspace)

    def _claim(self, entry: ScheduledCampaign) -> None:
        if not self.clock.trusts():
            return
        for run in claim_due(self._workspace, entry):
            log.info("run claimed", run=run.id, campaign=run.campaign, due=run.due_key)
            self.planner.wake()

    def _follow(self, launched: frozenset[int]) -> None:
        """Schedule what is launched now, also by another process."""
        if launched == self._following or monotonic() < self._follow_again:
            return
        entries = self._read_schedule()
        self.scheduler.set_campaigns(entries, self._workspace.project.settings.holidays)
        if monotonic() >= self._follow_again:
            self._following = launched
        log.info(
            "schedule updated", campaigns={name: at.isoformat() for name, at in self.scheduler.next_times().items()}
        )

    def _read_schedule(self) -> list[ScheduledCampaign]:
        """The launched campaigns; a minute without those in `timezone: customer` where the warehouse can't be read."""
        workspace, pinned = self._workspace, LaunchedCampaigns(self._workspace.project)
        try:
            return scheduled_campaigns(workspace, pinned, self.planner.read_zones)
        except Exception as error:
            log.error("campaigns in the customers' time zones wait", because=str(error))
            self._follow_again = monotonic() + _SWEEP_EVERY
            entries = scheduled_campaigns(workspace, pinned, list)
            return [entry for entry in entries if entry.schedule.timezone != "customer"]

    # Files

    def _note(self, names: list[str]) -> None:
        self._changed += names

    def _reload(self) -> None:
        names, self._changed = self._changed, []
        log.info("files changed", files=sorted(set(names)))
        try:
            project = open_project(self._workspace.project.root)
        except AutomationError as error:
            self._set_problems(tuple(str(error).splitlines()))
            return
        if project.data_dir != self._workspace.project.data_dir:
            what = (
                f"config.yaml: data_dir is {project.settings.data_dir} now, which applies after a restart of the daemon"
            )
            self._set_problems((what,))
            return
        self._workspace = replace(self._workspace, project=project)
        self._following = None
        self._report(project.problems)
        self.sender.apply_new_settings()

    def _report(self, problems: tuple[Problem, ...]) -> None:
        self._set_problems(tuple(str(problem) for problem in problems if problem.refuses))
        self.planner.check_launches()

    def _apply_new_keys(self) -> None:
        """Sign with rotated keys after the messages on their way."""
        if self._workspace.store.keys is not self._keys:
            self._keys = self._workspace.store.keys
            log.info("signing keys changed")
            self.sender.apply_new_settings()

    def _set_problems(self, found: tuple[str, ...]) -> None:
        for problem in found:
            if problem not in self._problems:
                log.error("invalid file; everything else runs", problem=problem)
        for problem in self._problems:
            if problem not in found:
                log.info("problem solved", problem=problem)
        self._problems = found

    # Heartbeat

    def _beat(self, doing: str) -> None:
        due: dict[str, datetime] = {} if doing == "starting" else self.scheduler.next_times()
        beat = Beat(
            pid=os.getpid(),
            started_at=self._started_at,
            at=self._workspace.clock.now(),
            doing=doing,
            sent=self.sender.sent,
            planning=self.planner.planning,
            invalid=self._problems,
            not_launched=self.planner.not_launched,
            next_due={name: at.isoformat() for name, at in due.items()},
            scheduler_silent=round(monotonic() - self.scheduler.looked, 1),
            ended=self._ended() if doing == "running" else (),
            kept_log=self.sender.checkpoints.kept,
        )
        try:
            beat.write(self._workspace.project.data_dir)
        except OSError as error:  # a full disk must not end the daemon
            log.warning("the heartbeat can't be written", because=str(error))

    def _ended(self) -> tuple[str, ...]:
        """The parts that should run and don't."""
        parts = (self.sender, self.planner, self.watcher, self.mailbox_poller)
        return tuple(part.name for part in parts if not part.is_alive())


def serve(root: Path, stopping: threading.Event, accompany: Accompany = no_companion) -> bool:
    """Open the project and serve it. Raises `ConfigurationError`, and `Locked` where a daemon runs already."""
    from automation.daemon.logs import log_to
    from automation.workspace.workspace import open_workspace

    with open_workspace(root) as workspace:
        log_to(workspace.project.data_dir / "logs")
        return Service(workspace, stopping, accompany).serve()
