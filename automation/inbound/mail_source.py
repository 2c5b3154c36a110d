"""Where returned mail lies: in a Maildir of this machine, or in a mailbox on an IMAP server."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from automation.config.settings import Imap
from automation.errors import AutomationError
from automation.inbound.returned_mail import MAX_SIZE

if TYPE_CHECKING:
    from imaplib import IMAP4

_TIMEOUT = 30.0


class MailboxError(AutomationError):
    """The mailbox can't be read."""


class Mailbox(Protocol):
    """Unread mails, each under a key of its own."""

    def fetch_unread(self) -> Iterator[tuple[str, bytes]]: ...

    def mark(self, key: str, *, used: bool) -> None: ...


@contextmanager
def open_maildir(folder: Path) -> Iterator[Mailbox]:
    """Raises `MailboxError`."""
    if not (folder / "new").is_dir():
        raise MailboxError(f"{folder} is not a Maildir: it has no folder `new`")
    (folder / "cur").mkdir(exist_ok=True)
    yield _Maildir(folder)


@dataclass(frozen=True)
class _Maildir:
    folder: Path

    def fetch_unread(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted((self.folder / "new").iterdir()):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    yield path.name, file.read(MAX_SIZE + 1)

    def mark(self, key: str, *, used: bool) -> None:
        """Move it to `cur`: as seen if it was used, else as unseen, for a person to look at."""
        target = self.folder / "cur" / f"{key.partition(':')[0]}:2,{'S' if used else ''}"
        (self.folder / "new" / key).replace(target)


@contextmanager
def open_imap(settings: Imap, root: Path) -> Iterator[Mailbox]:
    """Log in, with the server's certificate verified; config.yaml allows no TLS on this machine only.

    root: what a relative `ca_file` belongs to. Raises `MailboxError`.
    """
    import imaplib

    try:
        server = _connect(settings, root)
        try:
            server.login(settings.username, settings.password.get_secret_value())
            _check(server.select(f'"{settings.folder}"'), f"the folder {settings.folder!r} can't be opened")
            yield _Imap(server)
        finally:
            server.logout()
    except (imaplib.IMAP4.error, OSError) as error:
        raise MailboxError(f"the mailbox on {settings.host} can't be read: {error}") from error


def _connect(settings: Imap, root: Path) -> IMAP4:
    import imaplib

    if not settings.tls:
        return imaplib.IMAP4(settings.host, settings.port, timeout=_TIMEOUT)
    context = ssl.create_default_context(cafile=root / settings.ca_file if settings.ca_file else None)
    return imaplib.IMAP4_SSL(settings.host, settings.port, ssl_context=context, timeout=_TIMEOUT)


@dataclass(frozen=True)
class _Imap:
    server: IMAP4

    def fetch_unread(self) -> Iterator[tuple[str, bytes]]:
        """Mails that are neither seen nor flagged; a mail of no use was flagged when it was read."""
        (uids,) = _check(self.server.uid("SEARCH", "UNSEEN UNFLAGGED"), "the mailbox can't be searched")
        for uid in bytes(uids or b"").decode().split():
            parts = _check(self.server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_SIZE + 1}>)"), "a mail can't be fetched")
            yield uid, next((part[1] for part in parts if isinstance(part, tuple)), b"")

    def mark(self, key: str, *, used: bool) -> None:
        answer = self.server.uid("STORE", key, "+FLAGS", r"(\Seen)" if used else r"(\Flagged)")
        _check(answer, "a mail can't be marked")


def _check(answer: tuple[str, list[Any]], problem: str) -> list[Any]:
    status, data = answer
    if status != "OK":
        raise MailboxError(problem)
    return data
