"""Polls the mailbox for bounces, complaints and unsubscribe requests while the daemon runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from automation.inbound.mail_source import MailboxError
from automation.inbound.mailbox import read_mailbox
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

_POLL_EVERY = 60.0


class MailboxPoller(threading.Thread):
    """Reads the mailbox of config.yaml every minute, in a thread of its own: a mail server may be slow."""

    def __init__(self, workspace: Callable[[], Workspace]) -> None:
        super().__init__(name="mailbox_poller", daemon=True)
        self._workspace = workspace
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop polling. What was recorded is stored; a mail that was not marked yet is read again."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            if self._workspace().project.settings.mailbox is not None:
                self._poll()
            self._stopping.wait(_POLL_EVERY)

    def _poll(self) -> None:
        try:
            counts = read_mailbox(self._workspace())
        except MailboxError as error:
            log.error("mailbox can't be read", why=str(error))
        except Exception:
            log.exception("reading the mailbox failed; retrying")
        else:
            if counts.mails:
                log.info("mailbox read", **{name: n for name, n in vars(counts).items() if n})
