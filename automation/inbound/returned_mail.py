"""Parses returned mail: bounces (RFC 3464), complaints (RFC 5965), and requests to unsubscribe (RFC 2369).

Anybody can write such a mail. It counts only with a token that we signed, which only somebody who saw the message can
have. It may also be made to keep a parser busy: `check_shape` looks at its bytes first, and `mail_parser` reads it in a
process of its own.
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
MAX_HEADERS = 16 * 1024
MAX_PARTS = 200
MAX_NESTING = 30
"""Bytes of the mail and of its own headers, its parts, and how often it may announce parts within parts."""
MAX_TOKENS = 8

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_TOKEN = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{16,64}", re.ASCII)
_UNSUBSCRIBE = re.compile(r"\s*unsubscribe\s+(\S{1,200})\s*", re.I)
_IN_ADDRESS = re.compile(r"\+([0-9a-f.]{33,120})@", re.ASCII)
_ADDRESS = re.compile(r"^\s*rfc822\s*;\s*<?([^<>\s;]{3,320})>?\s*$", re.I)
_SENT_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to")
COMPLAINT_HEADER = "CFBL-Feedback-ID"
"""The header (RFC 9477) by which a complaint shows which message it is about."""

Kind = Literal["dead_address", "refused", "delayed", "complaint", "unsubscribed"]


@dataclass(frozen=True)
class ReturnedMail:
    """One returned mail.

    status: the enhanced status code of a bounce (RFC 3463), the type of a complaint, else "". tokens: of a bounce from
    the address that it was sent to, of a complaint from our header or return path in the returned message, of a request
    from its subject; not verified here. recipients: the addresses that the report names, as written.
    """

    kind: Kind
    status: str = ""
    tokens: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()


def check_shape(data: bytes) -> None:
    """Look at the bytes alone, in time that grows with their number. Raises `ValueError`."""
    if len(data) > MAX_SIZE:
        raise ValueError(f"it is larger than {MAX_SIZE // 1024} KB")
    end = re.search(rb"\r?\n\r?\n", data[: MAX_HEADERS + 4])
    if end is None and len(data) > MAX_HEADERS:
        raise ValueError(f"its headers are longer than {MAX_HEADERS // 1024} KB")
    lowered = data.lower()
    if max(lowered.count(b"boundary"), lowered.count(b"message/")) > MAX_NESTING:
        raise ValueError(f"it announces parts within parts more than {MAX_NESTING} times")


def parse_mail(data: bytes) -> ReturnedMail | None:
    """What the mail reports; None if it reports nothing, as an out-of-office note. Raises `ValueError`."""
    check_shape(data)
    try:
        mail = email.message_from_bytes(data, policy=email.policy.compat32)
        return _parse_report(mail) or _parse_request(mail)
    except (MessageError, LookupError, UnicodeError, RecursionError, ValueError, TypeError) as error:
        raise ValueError(f"it can't be read: {type(error).__name__}") from error


def _parse_report(mail: Message) -> ReturnedMail | None:
    if mail.get_content_type() != "multipart/report":
        return None
    parts = list(_parts(mail))
    for part in parts:
        if part.get_content_type() == "message/delivery-status":
            return _parse_bounce(part, _tokens(mail))
        if part.get_content_type() == "message/feedback-report":
            return _parse_complaint(part, parts)
    return None


def _parse_bounce(part: Message, tokens: tuple[str, ...]) -> ReturnedMail | None:
    """The worst of what happened to its recipients; None if all went well."""
    found = [(*outcome, _recipient(block)) for block in _blocks(part) if (outcome := _parse_recipient(block))]
    if not found:
        return None
    failed, status = max(one[:2] for one in found)
    whom = tuple(dict.fromkeys(one[2] for one in found if one[:2] == (failed, status) and one[2]))
    return ReturnedMail(classify_status(status) if failed else "delayed", status, tokens, whom)


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


def _recipient(block: Message) -> str:
    """The address that the message was sent to, as far as the server knows it."""
    named = (_ADDRESS.match(_header(block, name)) for name in ("original-recipient", "final-recipient"))
    return next((match[1] for match in named if match), "")


def _parse_complaint(part: Message, parts: list[Message]) -> ReturnedMail | None:
    fields = _text(part)
    type_ = (_field(fields, "feedback-type") or "abuse").lower()[:40]
    if type_ == "not-spam":
        return None
    tokens = [_field(fields, COMPLAINT_HEADER), *_IN_ADDRESS.findall(_field(fields, "original-mail-from").lower())]
    for other in parts:
        tokens += _returned_tokens(other)
    recipients = filter(None, [_field(fields, "original-rcpt-to").strip("<> ")])
    return ReturnedMail("complaint", type_, _unique(tokens), tuple(recipients))


def _returned_tokens(part: Message) -> Iterator[str]:
    """Our tokens in the header of a returned message, or in the text of returned headers."""
    yield _header(part, COMPLAINT_HEADER)
    yield from _IN_ADDRESS.findall(_header(part, "return-path").lower())
    if part.get_content_type() == "text/rfc822-headers":
        text = _text(part)
        yield _field(text, COMPLAINT_HEADER)
        yield from _IN_ADDRESS.findall(_field(text, "return-path").lower())


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


def _tokens(mail: Message) -> tuple[str, ...]:
    """The part after the plus of the addresses that it was sent to."""
    addressed = " ".join(value for name in _SENT_TO for value in map(str, mail.get_all(name, [])))
    return _unique(_IN_ADDRESS.findall(addressed[:10_000].lower()))


def _unique(tokens: list[str]) -> tuple[str, ...]:
    """The first few that have a token's shape, each once."""
    shaped = (token.strip().lower() for token in tokens)
    return tuple(dict.fromkeys(token for token in shaped if _TOKEN.fullmatch(token)))[:MAX_TOKENS]


def _header(part: Message, name: str) -> str:
    return str(part.get(name, ""))[:2_000]


def _field(text: str, name: str) -> str:
    """The value of a field in text that has one on each line; "" if there is none."""
    match = re.search(rf"^{re.escape(name)}[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)?)", text, re.I | re.M)
    return " ".join(match[1].split())[:2_000] if match else ""


def _text(part: Message) -> str:
    """The part as text. A report's fields are ASCII; other bytes are replaced."""
    payload = part.get_payload()
    if isinstance(payload, list):  # the parser took the fields for a message
        return "\n".join(str(inner.as_string()) for inner in payload if isinstance(inner, Message))
    decoded = part.get_payload(decode=True)
    return (decoded if isinstance(decoded, bytes) else b"")[:100_000].decode("ascii", "replace")
