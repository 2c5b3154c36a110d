"""Parses returned mail: bounces (RFC 3464), complaints (RFC 5965), and requests to unsubscribe (RFC 2369).

Anybody can write such a mail. It counts only with proof that its sender saw the message: the message's id, which can't
be guessed, or a signed token.
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

from automation.types.provider_codes import classify_status

MAX_SIZE = 2 * 1024 * 1024
MAX_PARTS = 200

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_MESSAGE_ID = re.compile(r"<\s*([0-9a-f]{32})@[^<>\s]{1,255}>", re.ASCII)
_TOKEN = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{16,64}", re.ASCII)
_UNSUBSCRIBE = re.compile(r"\s*unsubscribe\s+(\S{1,200})\s*", re.I)
_SENT_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to")

Kind = Literal["dead_address", "refused", "delayed", "complaint", "unsubscribed"]


@dataclass(frozen=True)
class ReturnedMail:
    """One returned mail, and the messages that it may be about.

    status: the enhanced status code of a bounce (RFC 3463), the type of a complaint, else "". message_ids: of the
    message that it returns. tokens: from the address that it was sent to or, for unsubscribing, from its subject; not
    verified here.
    """

    kind: Kind
    status: str = ""
    message_ids: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


def parse_mail(data: bytes) -> ReturnedMail | None:
    """What the mail reports; None if it reports nothing, as an out-of-office note. Raises `ValueError`."""
    if len(data) > MAX_SIZE:
        raise ValueError(f"it is larger than {MAX_SIZE // 1024} KB")
    try:
        mail = email.message_from_bytes(data, policy=email.policy.compat32)
        return _parse_report(mail) or _parse_request(mail)
    except (MessageError, LookupError, UnicodeError, RecursionError, ValueError, TypeError) as error:
        raise ValueError(f"it can't be read: {type(error).__name__}") from error


def _parse_report(mail: Message) -> ReturnedMail | None:
    if mail.get_content_type() != "multipart/report":
        return None
    parts = list(_parts(mail))
    ids = tuple(dict.fromkeys(i for part in parts for i in _ids(part)))
    tokens = _tokens(mail)
    for part in parts:
        if part.get_content_type() == "message/delivery-status":
            return _parse_bounce(part, ids, tokens)
        if part.get_content_type() == "message/feedback-report":
            return _parse_complaint(part, ids, tokens)
    return None


def _parse_bounce(part: Message, ids: tuple[str, ...], tokens: tuple[str, ...]) -> ReturnedMail | None:
    """The worst of what happened to its recipients; None if all went well."""
    found = [outcome for block in _blocks(part) if (outcome := _parse_recipient(block))]
    if not found:
        return None
    failed, status = max(found)
    return ReturnedMail(classify_status(status) if failed else "delayed", status, ids, tokens)


def _parse_recipient(block: Message) -> tuple[bool, str] | None:
    """Whether the delivery to a recipient failed or is only delayed, with its status; None if it went well."""
    action = _header(block, "action").strip().lower()
    if action not in ("failed", "delayed"):
        return None
    failed, match = action == "failed", _STATUS.search(_header(block, "status"))
    status = ".".join(match.groups()) if match and match[1] != "2" else ""
    if failed:
        return True, status or "5.0.0"
    return False, status if status.startswith("4") else "4.0.0"


def _parse_complaint(part: Message, ids: tuple[str, ...], tokens: tuple[str, ...]) -> ReturnedMail | None:
    match = re.search(r"^feedback-type\s*:\s*([\w-]{1,40})", _text(part), re.I | re.M)
    type_ = match[1].lower() if match else "abuse"
    return None if type_ == "not-spam" else ReturnedMail("complaint", type_, ids, tokens)


def _parse_request(mail: Message) -> ReturnedMail | None:
    subject = _UNSUBSCRIBE.fullmatch(_header(mail, "subject"))
    if subject is None:
        return None
    return ReturnedMail("unsubscribed", tokens=(subject[1],)) if _TOKEN.fullmatch(subject[1]) else None


def _parts(mail: Message) -> Iterator[Message]:
    """The mail's parts, with those of a returned message; at most MAX_PARTS."""
    for number, part in enumerate(mail.walk()):
        if number == MAX_PARTS:
            raise ValueError("too many parts")
        if number:
            yield part


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
    """The part after the plus of the addresses that it was sent to."""
    addressed = " ".join(value for name in _SENT_TO for value in map(str, mail.get_all(name, [])))
    found = re.findall(r"\+([0-9a-f.]{33,120})@", addressed[:10_000].lower(), re.ASCII)
    return tuple(dict.fromkeys(found))


def _header(part: Message, name: str) -> str:
    return str(part.get(name, ""))[:2_000]


def _text(part: Message) -> str:
    """The part as text. A report's fields are ASCII; other bytes are replaced."""
    payload = part.get_payload()
    if isinstance(payload, list):  # the parser took the fields for a message
        return "\n".join(str(inner.as_string()) for inner in payload if isinstance(inner, Message))
    decoded = part.get_payload(decode=True)
    return (decoded if isinstance(decoded, bytes) else b"")[:100_000].decode("ascii", "replace")
