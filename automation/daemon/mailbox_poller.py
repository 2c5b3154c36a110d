"""Looks into the mailbox for bounces, complaints and unsubscribes, for as long as the daemon lives."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from automation.inbound.mailbox import MailboxError, read_mailbox
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

_LOOK_EVERY = 60.0


class MailboxPoller(threading.Thread):
    """Reads the mailbox every minute, where config.yaml names one; apart, since a mail server may be slow."""

    def __init__(self, workspace: Callable[[], Workspace]) -> None:
        super().__init__(name="mailbox_poller", daemon=True)
        self._workspace = workspace
        self._stopping = threading.Event()

    def stop(self) -> None:
        """What was taken in is durable; a mail that was not marked is read again."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            if self._workspace().project.settings.mailbox is not None:
                self._look()
            self._stopping.wait(_LOOK_EVERY)

    def _look(self) -> None:
        try:
            taken = read_mailbox(self._workspace())
        except MailboxError as error:
            log.error("the mailbox can't be read", why=str(error))
        except Exception:
            log.exception("reading the mailbox failed")
        else:
            if taken.mails:
                log.info("mail read", **{name: n for name, n in vars(taken).items() if n})
