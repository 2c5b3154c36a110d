"""Delivers what is due while the daemon runs, and finishes runs that are complete.

Workers start when something is due, and end a minute after the last message.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import structlog

from automation.delivery.committer import Delivery, make_executor
from automation.delivery.recovery import take_over
from automation.runner.finish import finish
from automation.store.ledger import queues
from automation.store.repeated_query import RepeatedQuery
from automation.store.write_ahead_log import Checkpoints
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

_LOOK_EVERY = 1.0
_LONGEST_PAUSE = 4.0
_LINGER = 60.0
GRACE = 5.0
"""Seconds that a daemon that ends waits for providers' answers."""


class Sender(threading.Thread):
    """The project's only committer: one delivery after another, whenever something is due."""

    def __init__(self, workspace: Callable[[], Workspace], may_grant: Callable[[], bool] = lambda: True) -> None:
        super().__init__(name="sender", daemon=True)
        self.sent = 0
        self._workspace = workspace
        self._may_grant = may_grant
        self._delivery: Delivery | None = None
        self._pinned: LaunchedCampaigns | None = None
        self._work = threading.Event()
        self._check_runs = True
        self._recovered = False
        self._next_due = RepeatedQuery(workspace().store, queues.next_due)
        self.checkpoints = Checkpoints(workspace().store, workspace().clock)
        self._stopping = False

    def wake(self) -> None:
        """A run was planned: there may be something to send, or the run may be complete already."""
        self._check_runs = True
        self._work.set()

    def apply_new_settings(self) -> None:
        """Use the project's new settings, after the messages on their way."""
        if self._delivery is not None:
            self._delivery.stop()

    def stop(self) -> None:
        """Grant nothing more, and wait for the results of the messages on their way."""
        self._stopping = True
        if self._delivery is not None:
            self._delivery.stop(grace=GRACE)
        self._work.set()

    def run(self) -> None:
        pause = _LOOK_EVERY
        while not self._stopping:
            try:
                self._deliver_if_due()
                pause = _LOOK_EVERY
            except Exception:
                pause = min(pause * 2, _LONGEST_PAUSE)
                log.exception("delivery failed; retrying", retry_in_seconds=pause)
            self._work.wait(pause)
            self._work.clear()
        self._next_due.close()

    def _deliver_if_due(self) -> None:
        workspace = self._workspace()
        if not self._recovered:
            take_over(workspace)
            self._recovered = self._check_runs = True
        while not self._stopping and self._is_due(workspace):
            self._deliver(workspace)
            workspace = self._workspace()
        self._finish_runs()
        self.checkpoints.start_if_due()  # of what the web app and commands wrote; nobody else may

    def _is_due(self, workspace: Workspace) -> bool:
        due = self._next_due.result()
        return due is not None and due <= workspace.clock.now()

    def _deliver(self, workspace: Workspace) -> None:
        if self._pinned is None or self._pinned.project is not workspace.project:
            self._pinned = LaunchedCampaigns(workspace.project)
        executor = make_executor(workspace)
        self._delivery = delivery = Delivery(
            workspace, self._pinned, executor=executor, may_grant=self._may_grant, checkpoints=self.checkpoints
        )
        if self._stopping:
            return
        before = self.sent
        try:
            linger = _LINGER if executor is not None else 0.0
            settled = asyncio.run(delivery.deliver_due(linger=linger, idle=lambda: self._on_idle(delivery, before)))
            if settled:
                log.info("messages settled", settled=settled, sent=delivery.sent)
        finally:
            self.sent = before + delivery.sent
            self._delivery = None
            self._check_runs = True

    def _on_idle(self, delivery: Delivery, before: int) -> None:
        """Update the counters and finish runs while nothing is due."""
        if self.sent != before + delivery.sent:
            self.sent = before + delivery.sent
            self._check_runs = True
        self._finish_runs()

    def _finish_runs(self) -> None:
        if self._check_runs:
            self._check_runs = False
            for run, account in finish(self._workspace()):
                log.info("run finished", run=run.id, campaign=run.campaign, account=_without_zeros(vars(account)))


def _without_zeros(account: dict[str, int]) -> dict[str, int]:
    return {name: n for name, n in account.items() if n}
