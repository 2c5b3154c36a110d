"""Reads the mailbox to which bounces, complaints and unsubscribe requests come, and records what they report.

What a mail causes is stored before the mail is marked as read; a mail that is read twice changes nothing more. Mails
are parsed and their tokens verified before the transaction that records them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from sqlalchemy.engine import Connection

from automation.config.settings import Imap
from automation.errors import AutomationError
from automation.ids import bounced_message, message_of_token
from automation.inbound.mail_parser import MailParser
from automation.inbound.provider_reports import ProviderReport, record_report
from automation.inbound.returned_mail import MAX_SIZE, Kind, ReturnedMail
from automation.store.inbox import responses
from automation.types.address import normalise
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    from imaplib import IMAP4

log = structlog.get_logger(__name__)

_GROUP = 50
_TIMEOUT = 30.0


class MailboxError(AutomationError):
    """The mailbox can't be read."""


@dataclass
class MailCounts:
    """How many mails were read, and what they were. `unknown` mails concern no message of ours and stay unread, and so
    do `unproven` ones: reports without a token that we signed, or about another address than the message's own."""

    mails: int = 0
    dead_addresses: int = 0
    refused: int = 0
    delayed: int = 0
    complaints: int = 0
    unsubscribes: int = 0
    unknown: int = 0
    unproven: int = 0
    unreadable: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in asdict(self).items() if n) or "no mail"


_COUNTED_AS = {
    "dead_address": "dead_addresses",
    "refused": "refused",
    "delayed": "delayed",
    "complaint": "complaints",
    "unsubscribed": "unsubscribes",
}


class Mailbox(Protocol):
    """Unread mails, each under a key of its own."""

    def fetch_unread(self) -> Iterator[tuple[str, bytes]]: ...

    def mark(self, key: str, *, used: bool) -> None: ...


def read_mailbox(workspace: Workspace) -> MailCounts:
    """Record what every unread mail reports. Raises `MailboxError`."""
    counts = MailCounts()
    with _open(workspace) as mailbox, MailParser() as parser:
        unread = mailbox.fetch_unread()
        secrets = workspace.store.keys.verifying(workspace.clock.now())
        while group := _read_group(unread, parser, secrets, counts):
            now = workspace.clock.now()
            with workspace.store.transaction() as connection:
                used = {
                    key: report is not None and _record(connection, report, counts, now)
                    for key, report in group.items()
                }
            for key, was_used in used.items():
                mailbox.mark(key, used=was_used)
    return counts


@dataclass(frozen=True)
class _ProvenReport:
    """What a mail reports of the message that its token names."""

    mail: ReturnedMail
    message_id: str
    recipients: frozenset[str]
    """The addresses that it names, normalised; empty if it names none."""


def _read_group(
    unread: Iterator[tuple[str, bytes]], parser: MailParser, secrets: Sequence[bytes], counts: MailCounts
) -> dict[str, _ProvenReport | None]:
    """What the next mails report, one mail in memory at a time; empty at the end."""
    return {key: _read(key, data, parser, secrets, counts) for key, data in itertools.islice(unread, _GROUP)}


def _read(
    key: str, data: bytes, parser: MailParser, secrets: Sequence[bytes], counts: MailCounts
) -> _ProvenReport | None:
    counts.mails += 1
    try:
        mail = parser.parse(data)
    except ValueError as error:
        counts.unreadable += 1
        log.warning("a returned mail can't be read", mail=key, why=str(error))
        return None
    if mail is None:
        counts.unknown += 1
        return None
    message_id = _find_message_id(secrets, mail)
    if message_id is None:
        counts.unproven += 1
        return None
    return _ProvenReport(mail, message_id, frozenset(map(normalise, mail.recipients)))


def _find_message_id(secrets: Sequence[bytes], mail: ReturnedMail) -> str | None:
    """The message that a token of the mail names, if we signed it for that."""
    found = (_message_of(secret, mail.kind, token) for secret in secrets for token in mail.tokens)
    return next(filter(None, found), None)


def _message_of(secret: bytes, kind: Kind, token: str) -> str | None:
    if kind == "unsubscribed":
        return message_of_token(secret, "unsubscribe", token)
    if kind == "complaint":
        return message_of_token(secret, "complaint", token) or bounced_message(secret, token)
    return bounced_message(secret, token)


def _record(connection: Connection, report: _ProvenReport, counts: MailCounts, now: datetime) -> bool:
    """Returns whether the mail concerns a message of ours, and its own recipient."""
    mail, message = report.mail, responses.find_recipient(connection, report.message_id)
    if message is None:
        counts.unknown += 1
        return False
    named = bool(report.recipients) or mail.kind not in ("complaint", "unsubscribed")
    if named and normalise(message.address) not in report.recipients:
        counts.unproven += 1
        return False
    name = _COUNTED_AS[mail.kind]
    setattr(counts, name, getattr(counts, name) + 1)
    record_report(
        connection,
        ProviderReport(
            mail.kind, message.id, "mailbox", f"{mail.kind}:{message.id}", status=mail.status, method="unsubscribe mail"
        ),
        now=now,
    )
    return True


def _open(workspace: Workspace) -> AbstractContextManager[Mailbox]:
    settings = workspace.project.settings.mailbox
    if settings is None:
        raise MailboxError("config.yaml has no mailbox: add `mailbox: {maildir: FOLDER}` or `mailbox: {imap: …}`")
    if settings.maildir is not None:
        return _open_maildir(workspace.project.root / settings.maildir)
    assert settings.imap is not None
    return _open_imap(settings.imap)


@contextmanager
def _open_maildir(folder: Path) -> Iterator[Mailbox]:
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
def _open_imap(settings: Imap) -> Iterator[Mailbox]:
    import imaplib

    connect: Callable[..., imaplib.IMAP4] = imaplib.IMAP4_SSL if settings.tls else imaplib.IMAP4
    try:
        server = connect(settings.host, settings.port, timeout=_TIMEOUT)
        try:
            server.login(settings.username, settings.password.get_secret_value())
            _check(server.select(f'"{settings.folder}"'), f"the folder {settings.folder!r} can't be opened")
            yield _Imap(server)
        finally:
            server.logout()
    except (imaplib.IMAP4.error, OSError) as error:
        raise MailboxError(f"the mailbox on {settings.host} can't be read: {error}") from error


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
