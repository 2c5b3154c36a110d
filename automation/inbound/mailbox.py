"""Reads the mailbox to which bounces, complaints and unsubscribe requests come, and records what they report.

What a mail causes is stored before the mail is marked as read; a mail that is read twice changes nothing more. Mails
are parsed and their tokens verified before the transaction that records them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime

import structlog
from sqlalchemy.engine import Connection

from automation.ids import bounced_message, message_of_token
from automation.inbound.mail_parser import MailParser
from automation.inbound.mail_source import Mailbox, MailboxError, open_imap, open_maildir
from automation.inbound.provider_reports import ProviderReport, record_report
from automation.inbound.returned_mail import Kind, ReturnedMail
from automation.store.inbox import responses
from automation.types.address import normalise
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

_GROUP = 50


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
        return open_maildir(workspace.project.root / settings.maildir)
    assert settings.imap is not None
    return open_imap(settings.imap, workspace.project.root)
