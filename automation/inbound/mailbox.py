"""Reads the mailbox that bounces, complaints and unsubscribes by mail come to, and takes in what they say.

What a mail causes is durable before the mail is marked as read; read twice, it changes nothing more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from sqlalchemy.engine import Connection

from automation.config.settings import Imap
from automation.errors import AutomationError
from automation.event_types import EMAIL_BOUNCE, EMAIL_COMPLAINT
from automation.ids import bounced_message, verify
from automation.inbound.returned_mail import MAX_SIZE, Returned, read
from automation.store.inbox import inbox, responses
from automation.store.inbox.inbox import InboxEvent
from automation.store.inbox.responses import MessageRecipient
from automation.store.people import consent
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    from imaplib import IMAP4

log = structlog.get_logger(__name__)

_AT_ONCE = 100
_LONGEST_WAIT = 30.0


class MailboxError(AutomationError):
    """The mailbox can't be read."""


@dataclass
class Taken:
    """How many mails were read and what they were; `unknown` spoke of no message of ours, and stay where they are."""

    mails: int = 0
    dead_addresses: int = 0
    other_bounces: int = 0
    complaints: int = 0
    unsubscribes: int = 0
    unknown: int = 0
    unreadable: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in asdict(self).items() if n) or "no mail"


class Postbox(Protocol):
    """Mails that were not read yet, each under a key of its own."""

    def mails(self) -> Iterator[tuple[str, bytes]]: ...

    def done(self, key: str, *, used: bool) -> None: ...


def read_mailbox(workspace: Workspace) -> Taken:
    """Take in every new mail. Raises `MailboxError`."""
    taken = Taken()
    with _opened(workspace) as postbox:
        mails = postbox.mails()
        while group := list(itertools.islice(mails, _AT_ONCE)):
            with workspace.store.transaction() as connection:
                used = {key: _take(connection, workspace, key, data, taken) for key, data in group}
            for key, was_used in used.items():
                postbox.done(key, used=was_used)
    return taken


def _take(connection: Connection, workspace: Workspace, key: str, data: bytes, taken: Taken) -> bool:
    """Whether the mail said anything of ours."""
    taken.mails += 1
    try:
        returned = read(data)
    except ValueError as error:
        taken.unreadable += 1
        log.warning("a mail that came back can't be read", mail=key, why=str(error))
        return False
    message = None if returned is None else _message(connection, workspace.store.secret, returned)
    if returned is None or message is None:
        taken.unknown += 1
        return False
    _settle(connection, returned, message, taken, workspace.clock.now())
    return True


def _message(connection: Connection, secret: bytes, returned: Returned) -> MessageRecipient | None:
    """The message that it speaks of: by a token that we signed, else by the id of the message that it returns."""
    if returned.kind == "unsubscribe":
        signed = [verify(secret, "unsubscribe", token) for token in returned.tokens]
    else:
        signed = [bounced_message(secret, token) for token in returned.tokens]
    for identity in (*filter(None, signed), *returned.message_ids):
        if found := responses.find_recipient(connection, identity):
            return found
    return None


def _settle(connection: Connection, returned: Returned, message: MessageRecipient, taken: Taken, now: datetime) -> None:
    if returned.kind == "unsubscribe":
        taken.unsubscribes += 1
        words = {(message.channel, message.topic): False}
        responses.record_consents(
            connection, message, words, at=now, source="mailbox", method="list-unsubscribe by mail"
        )
        return
    if returned.kind == "complaint":
        taken.complaints += 1
        reason, event = (
            "complaint",
            _event(message, EMAIL_COMPLAINT, now, returned.complaint, None),
        )
    else:
        reason = "hard_bounce" if returned.dead else ""
        kind = "dead_address" if returned.dead else "refused" if returned.final else "delayed"
        event = _event(message, EMAIL_BOUNCE, now, kind, returned.status)
        taken.dead_addresses += returned.dead
        taken.other_bounces += not returned.dead
    if reason:
        consent.suppress(
            connection, [message.address], channel=message.channel, reason=reason, source="mailbox", now=now
        )
    inbox.add_events(connection, [event], now=now)


def _event(message: MessageRecipient, type_: str, at: datetime, kind: str, status: str | None) -> InboxEvent:
    event_id = f"{type_}:{kind}:{message.id}"
    return responses.make_event(message, type_, at=at, event_id=event_id, kind=kind, status=status)


def _opened(workspace: Workspace) -> AbstractContextManager[Postbox]:
    settings = workspace.project.settings.mailbox
    if settings is None:
        raise MailboxError("config.yaml has no mailbox: add `mailbox: {maildir: FOLDER}` or `mailbox: {imap: …}`")
    if settings.maildir is not None:
        return _maildir(workspace.project.root / settings.maildir)
    assert settings.imap is not None
    return _imap(settings.imap)


@contextmanager
def _maildir(folder: Path) -> Iterator[Postbox]:
    if not (folder / "new").is_dir():
        raise MailboxError(f"{folder} is not a Maildir: it has no folder `new`")
    (folder / "cur").mkdir(exist_ok=True)
    yield _Maildir(folder)


@dataclass(frozen=True)
class _Maildir:
    folder: Path

    def mails(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted((self.folder / "new").iterdir()):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    yield path.name, file.read(MAX_SIZE + 1)

    def done(self, key: str, *, used: bool) -> None:
        """Moved to `cur`: seen when it was used, unseen for a person to look at when not."""
        target = self.folder / "cur" / f"{key.partition(':')[0]}:2,{'S' if used else ''}"
        (self.folder / "new" / key).replace(target)


@contextmanager
def _imap(settings: Imap) -> Iterator[Postbox]:
    import imaplib

    connect: Callable[..., imaplib.IMAP4] = imaplib.IMAP4_SSL if settings.tls else imaplib.IMAP4
    try:
        server = connect(settings.host, settings.port, timeout=_LONGEST_WAIT)
        try:
            server.login(settings.username, settings.password.get_secret_value())
            _ok(server.select(f'"{settings.folder}"'), f"the folder {settings.folder!r} can't be opened")
            yield _Imap(server)
        finally:
            server.logout()
    except (imaplib.IMAP4.error, OSError) as error:
        raise MailboxError(f"the mailbox on {settings.host} can't be read: {error}") from error


@dataclass(frozen=True)
class _Imap:
    server: IMAP4

    def mails(self) -> Iterator[tuple[str, bytes]]:
        """Those neither seen nor flagged, which is what a mail that was looked at in vain is."""
        (found,) = _ok(self.server.uid("SEARCH", "UNSEEN UNFLAGGED"), "the mailbox can't be searched")
        for uid in bytes(found or b"").decode().split():
            parts = _ok(self.server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_SIZE + 1}>)"), "a mail can't be fetched")
            yield uid, next((part[1] for part in parts if isinstance(part, tuple)), b"")

    def done(self, key: str, *, used: bool) -> None:
        marked = self.server.uid("STORE", key, "+FLAGS", r"(\Seen)" if used else r"(\Flagged)")
        _ok(marked, "a mail can't be marked")


def _ok(answer: tuple[str, list[Any]], otherwise: str) -> list[Any]:
    status, found = answer
    if status != "OK":
        raise MailboxError(otherwise)
    return found
