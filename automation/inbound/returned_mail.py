"""What comes back by mail: bounces (RFC 3464), complaints (RFC 5965), and unsubscribing by mail (RFC 2369).

The mail is a stranger's. What it says of a message counts only with a proof that the message was seen: its id, which
can't be guessed, or a signed token.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from typing import Literal

MAX_SIZE = 2 * 1024 * 1024
MAX_PARTS = 200

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_MESSAGE_ID = re.compile(r"<\s*([0-9a-f]{32})@[^<>\s]{1,255}>", re.ASCII)
_TOKEN = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{16,64}", re.ASCII)
_UNSUBSCRIBE = re.compile(r"\s*unsubscribe\s+(\S{1,200})\s*", re.I)
_SENT_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to")
_NOT_THE_ADDRESS = re.compile(r"5\.2\.[23]|5\.[367]\.\d+")

Kind = Literal["bounce", "complaint", "unsubscribe"]


@dataclass(frozen=True)
class Returned:
    """One mail that came back, and the messages that it may speak of.

    status: RFC 3463's code of a bounce, else "". message_ids: of the message that it returns. tokens: from the address
    that it was sent to and, for unsubscribing, from its subject; not verified here. complaint: its type, else "".
    """

    kind: Kind
    status: str = ""
    complaint: str = ""
    message_ids: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()

    @property
    def final(self) -> bool:
        """Whether a bounce was given up, not only delayed."""
        return self.status.startswith("5.")

    @property
    def dead(self) -> bool:
        """Whether the address itself is dead: given up, and neither a full mailbox (5.2.2), a message too long (5.2.3),
        a system in trouble (5.3), the content (5.6) nor a policy (5.7)."""
        return self.final and not _NOT_THE_ADDRESS.fullmatch(self.status)


def read(data: bytes) -> Returned | None:
    """What the mail reports; None where it reports nothing, as an out-of-office note. Raises `ValueError`."""
    if len(data) > MAX_SIZE:
        raise ValueError(f"it is larger than {MAX_SIZE // 1024} KB")
    try:
        mail = email.message_from_bytes(data, policy=email.policy.compat32)
        return _report(mail) or _request(mail)
    except (MessageError, LookupError, UnicodeError, RecursionError, ValueError, TypeError) as error:
        raise ValueError(f"it can't be read: {type(error).__name__}") from error


def _report(mail: Message) -> Returned | None:
    if mail.get_content_type() != "multipart/report":
        return None
    parts = list(_parts(mail))
    ids = tuple(dict.fromkeys(i for part in parts for i in _ids(part)))
    tokens = _tokens(mail)
    for part in parts:
        if part.get_content_type() == "message/delivery-status":
            status = _status(part)
            return Returned("bounce", status=status, message_ids=ids, tokens=tokens) if status else None
        if part.get_content_type() == "message/feedback-report":
            return _complaint(part, ids, tokens)
    return None


def _complaint(part: Message, ids: tuple[str, ...], tokens: tuple[str, ...]) -> Returned | None:
    said = re.search(r"^feedback-type\s*:\s*([\w-]{1,40})", _text(part), re.I | re.M)
    kind = said[1].lower() if said else "abuse"
    if kind == "not-spam":
        return None
    return Returned("complaint", complaint=kind, message_ids=ids, tokens=tokens)


def _request(mail: Message) -> Returned | None:
    subject = _UNSUBSCRIBE.fullmatch(_header(mail, "subject"))
    if subject is None:
        return None
    return Returned("unsubscribe", tokens=(subject[1],)) if _TOKEN.fullmatch(subject[1]) else None


def _parts(mail: Message) -> Iterator[Message]:
    """The mail's parts, those within a returned message too; no more than MAX_PARTS."""
    for number, part in enumerate(mail.walk()):
        if number == MAX_PARTS:
            raise ValueError("too many parts")
        if number:
            yield part


def _status(part: Message) -> str:
    """The worst status of a recipient whose delivery failed or is delayed; "" where all went well."""
    found = []
    for block in _blocks(part):
        action = _header(block, "action").strip().lower()
        status = _STATUS.search(_header(block, "status"))
        if action in {"failed", "delayed"}:
            fallback = "5.0.0" if action == "failed" else "4.0.0"
            code = ".".join(status.groups()) if status and status[1] != "2" else fallback
            found.append(code if action == "failed" or code.startswith("4") else "4.0.0")
    return max(found, default="")


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def _ids(part: Message) -> Iterator[str]:
    """Our message ids: in the header of a returned message, or in the text of returned headers."""
    yield from _MESSAGE_ID.findall(_header(part, "message-id").lower())
    if part.get_content_type() == "text/rfc822-headers":
        for line in re.findall(r"^message-id:(.*(?:\n[ \t].*)*)", _text(part), re.I | re.M):
            yield from _MESSAGE_ID.findall(line.lower())


def _tokens(mail: Message) -> tuple[str, ...]:
    """What stands after the plus of the addresses that it was sent to."""
    addressed = " ".join(value for name in _SENT_TO for value in map(str, mail.get_all(name, [])))
    found = re.findall(r"\+([0-9a-f.]{33,120})@", addressed[:10_000].lower(), re.ASCII)
    return tuple(dict.fromkeys(found))


def _header(part: Message, name: str) -> str:
    return str(part.get(name, ""))[:2_000]


def _text(part: Message) -> str:
    """The part as text: a report's fields are ASCII, so that whatever isn't may be replaced."""
    payload = part.get_payload()
    if isinstance(payload, list):  # a parser that took the fields for a message
        return "\n".join(str(inner.as_string()) for inner in payload if isinstance(inner, Message))
    decoded = part.get_payload(decode=True)
    return (decoded if isinstance(decoded, bytes) else b"")[:100_000].decode("ascii", "replace")
