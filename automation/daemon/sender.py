"""Delivers what is due, for as long as the daemon lives, and closes runs that are through."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import structlog

from automation.runner.delivery import Delivery
from automation.runner.pinned import PinnedCampaigns
from automation.runner.run import finish
from automation.runner.workspace import Workspace
from automation.store import sending

log = structlog.get_logger(__name__)

_LOOK_EVERY = 1.0
_LONGEST_PAUSE = 60.0


class Sender(threading.Thread):
    """The project's one committer: a flight whenever something is due."""

    def __init__(self, workspace: Callable[[], Workspace]) -> None:
        super().__init__(name="sender", daemon=True)
        self.sent = 0
        self._workspace = workspace
        self._delivery: Delivery | None = None
        self._pinned: PinnedCampaigns | None = None
        self._work = threading.Event()
        self._check_runs = True
        self._first = True
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
        while not self._stopping and self._is_due(workspace):
            self._fly(workspace)
            workspace = self._workspace()
        if self._check_runs:
            self._check_runs = False
            for run, account in finish(workspace):
                log.info("run finished", run=run.id, campaign=run.campaign, account=_told(vars(account)))

    def _is_due(self, workspace: Workspace) -> bool:
        """The first flight always takes off: it settles what an earlier process left on its way."""
        if self._first:
            return True
        with workspace.store.reading() as connection:
            due = sending.next_due(connection)
        return due is not None and due <= workspace.clock.now()

    def _fly(self, workspace: Workspace) -> None:
        if self._pinned is None or self._pinned.project is not workspace.project:
            self._pinned = PinnedCampaigns(workspace.project)
        self._delivery = delivery = Delivery(workspace, self._pinned)
        if self._stopping:
            return
        try:
            settled = asyncio.run(delivery.deliver_due())
            self._first = False
            if settled:
                log.info("messages settled", settled=settled, sent=delivery.sent)
        finally:
            self.sent += delivery.sent
            self._delivery = None
            self._check_runs = True


def _told(account: dict[str, int]) -> dict[str, int]:
    return {name: n for name, n in account.items() if n}
