"""Delivers what is due, for as long as the daemon lives, and closes runs that are through.

Delivering processes are started when something is due, and end a minute after the last message.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import structlog

from automation.clock import monotonic
from automation.delivery.committer import Delivery, executor_of, take_over
from automation.runner.run import finish
from automation.store.ledger import queues
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

_LOOK_EVERY = 1.0
_LONGEST_PAUSE = 4.0
_LINGER = 60.0
_TIDY_EVERY = 60.0


class Sender(threading.Thread):
    """The project's one committer: a worker whenever something is due."""

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
        self._tidied = monotonic()
        self._stopping = False

    def wake(self) -> None:
        """A run was planned: there may be something to send, or nothing at all to wait for."""
        self._check_runs = True
        self._work.set()

    def renew(self) -> None:
        """Take the project's settings anew after what is on its way."""
        if self._delivery is not None:
            self._delivery.stop()

    def stop(self) -> None:
        """Grant nothing more; what is on its way is waited for and written down."""
        self._stopping = True
        self.renew()
        self._work.set()

    def run(self) -> None:
        pause = _LOOK_EVERY
        while not self._stopping:
            try:
                self._fly_if_due()
                pause = _LOOK_EVERY
            except Exception:
                pause = min(pause * 2, _LONGEST_PAUSE)
                log.exception("sending failed", again_in_seconds=pause)
            self._work.wait(pause)
            self._work.clear()

    def _fly_if_due(self) -> None:
        workspace = self._workspace()
        if not self._recovered:
            take_over(workspace)
            self._recovered = self._check_runs = True
        while not self._stopping and self._is_due(workspace):
            self._fly(workspace)
            workspace = self._workspace()
        self._finish_runs()
        self._tidy(workspace)

    def _tidy(self, workspace: Workspace) -> None:
        """Take in what the web app and commands wrote while nothing was sent: nobody else may checkpoint."""
        if monotonic() - self._tidied >= _TIDY_EVERY:
            workspace.store.checkpoint()
            self._tidied = monotonic()

    def _is_due(self, workspace: Workspace) -> bool:
        with workspace.store.reading() as connection:
            due = queues.next_due(connection)
        return due is not None and due <= workspace.clock.now()

    def _fly(self, workspace: Workspace) -> None:
        if self._pinned is None or self._pinned.project is not workspace.project:
            self._pinned = LaunchedCampaigns(workspace.project)
        executor = executor_of(workspace)
        self._delivery = delivery = Delivery(workspace, self._pinned, executor=executor, may_grant=self._may_grant)
        if self._stopping:
            return
        before = self.sent
        try:
            linger = _LINGER if executor is not None else 0.0
            settled = asyncio.run(delivery.deliver_due(linger=linger, idle=lambda: self._ran_dry(delivery, before)))
            if settled:
                log.info("messages settled", settled=settled, sent=delivery.sent)
        finally:
            self.sent = before + delivery.sent
            self._delivery = None
            self._check_runs = True

    def _ran_dry(self, delivery: Delivery, before: int) -> None:
        """Nothing is due for now."""
        if self.sent != before + delivery.sent:
            self.sent = before + delivery.sent
            self._check_runs = True
        self._finish_runs()

    def _finish_runs(self) -> None:
        if self._check_runs:
            self._check_runs = False
            for run, account in finish(self._workspace()):
                log.info("run finished", run=run.id, campaign=run.campaign, account=_told(vars(account)))


def _told(account: dict[str, int]) -> dict[str, int]:
    return {name: n for name, n in account.items() if n}
