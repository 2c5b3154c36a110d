"""A server's reply, and the receipt that follows from it."""

from __future__ import annotations

import re
from typing import NamedTuple

from automation.types.message import Receipt, Rendered, Verdict
from automation.types.provider_codes import classify_status

_QUEUED = re.compile(r"queued as ([\w.-]{4,80})", re.I)
_ENHANCED = re.compile(r"\d\.\d{1,3}\.\d{1,3}\b")
_ADDRESS = re.compile(r"\S*@\S*")
_LINE = re.compile(rb"([2-5]\d\d)([ -]?)(.*)")
MAX_REPLY = 64 * 1024
MAX_LINES = 1_000
_KEPT = 16  # replies that repeat with every message: parsing these three takes 1 µs instead of 6
_NOT_LOGGED_IN = frozenset({530, 534, 535, 538})
BAD_SEQUENCE = 503
SHUTTING_DOWN = 421


class Reply(NamedTuple):
    """A complete reply of the server."""

    code: int
    text: str

    @property
    def positive(self) -> bool:
        """Whether the command was accepted: 2xx."""
        return 200 <= self.code < 300

    @property
    def refusal(self) -> bool:
        """Whether the command was definitely refused: 4xx or 5xx."""
        return 400 <= self.code < 600

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463) at the start of the text, else ""."""
        found = _ENHANCED.match(self.text)
        return found[0] if found else ""

    @property
    def detail(self) -> str:
        """Short, printable, and without addresses that the server may have repeated."""
        return f"{self.code} {redact_addresses(self.text)}"[:160].rstrip()

    def accepted(self, message: Rendered) -> Receipt:
        """The receipt of a 2xx to the final dot, with the server's queue id where it has Postfix's form."""
        queued = _QUEUED.search(self.text)
        return Receipt(message.id, message.attempt, Verdict.SENT, self.detail, queued[1] if queued else "")

    def refused(self, message: Rendered, verb: str) -> Receipt:
        """The receipt of a refusal of `verb` (MAIL, RCPT, DATA or DOT).

        4xx RETRY, 5xx FAILED; RETURNED where the reply is not about the message: a missing login, and 421 before the
        message was handed over. A bad sequence of commands is the conversation's fault: RETRY.
        """
        verdict, suppress = Verdict.RETRY, ""
        if self.code in _NOT_LOGGED_IN or (self.code == SHUTTING_DOWN and verb != "DOT"):
            verdict = Verdict.RETURNED
        elif self.code >= 500 and self.code != BAD_SEQUENCE:
            verdict = Verdict.FAILED
            dead = verb != "MAIL" and classify_status(self.enhanced) == "dead_address"
            suppress = "hard_bounce" if dead else ""
        return Receipt(message.id, message.attempt, verdict, self.detail, suppress=suppress)


class ReplyReader:
    """Bytes in, complete replies out. broken: why nothing more can be parsed, else ""; rest: an incomplete line."""

    def __init__(self) -> None:
        self.broken = ""
        self.rest = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._known: dict[bytes, Reply] = {}

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes, in order; those before a malformed line still count."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        replies = []
        for line in lines:
            if line in self._known and not self._lines:
                replies.append(self._known[line])
                continue
            found = _LINE.fullmatch(line.rstrip(b"\r"))
            if not found:
                self.broken = "the server's reply is not SMTP"
                break
            code, dash, text = found.groups()
            self._lines.append(text)
            self._size += len(text)
            if dash != b"-":
                reply = Reply(int(code), b" ".join(self._lines).decode("utf-8", "replace"))
                replies.append(reply)
                if len(self._lines) == 1 and len(self._known) < _KEPT:
                    self._known[line] = reply
                self._lines, self._size = [], 0
        if len(self.rest) + self._size > MAX_REPLY or len(self._lines) > MAX_LINES:
            self.broken = "a reply without an end"
        return replies


def redact_addresses(text: str) -> str:
    """The text with addresses replaced and unprintable characters as spaces."""
    if "@" in text:
        text = _ADDRESS.sub("<address>", text)
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)
