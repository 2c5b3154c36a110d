"""What a server answered, and what follows from it for one message."""

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
_KEPT = 16  # of the answers that come again with every message: reading those three costs 1 µs instead of 6
_NOT_LOGGED_IN = frozenset({530, 534, 535, 538})
OUT_OF_TURN = 503
SHUTTING_DOWN = 421


class Reply(NamedTuple):
    """A complete answer of the server."""

    code: int
    text: str

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def refusal(self) -> bool:
        """Definite: whatever it answers was not accepted."""
        return 400 <= self.code < 600

    @property
    def enhanced(self) -> str:
        """RFC 3463's code at the beginning of the text, else ""."""
        found = _ENHANCED.match(self.text)
        return found[0] if found else ""

    @property
    def detail(self) -> str:
        """Short, printable, and without any address that the server may have repeated."""
        return f"{self.code} {without_addresses(self.text)}"[:160].rstrip()

    def accepted(self, message: Rendered) -> Receipt:
        """The receipt of a 2xx to the final dot, with the server's own id where it gives one as Postfix does."""
        queued = _QUEUED.search(self.text)
        return Receipt(message.id, message.attempt, Verdict.SENT, self.detail, queued[1] if queued else "")

    def refused(self, message: Rendered, verb: str) -> Receipt:
        """The receipt of a refusal of `verb` (MAIL, RCPT, DATA or DOT).

        4xx RETRY, 5xx FAILED; RETURNED for what is no word about the message: a login that is missing, and 421 while
        nothing was handed over. A bad sequence of commands is our conversation's fault, and tried again.
        """
        verdict, suppress = Verdict.RETRY, ""
        if self.code in _NOT_LOGGED_IN or (self.code == SHUTTING_DOWN and verb != "DOT"):
            verdict = Verdict.RETURNED
        elif self.code >= 500 and self.code != OUT_OF_TURN:
            verdict = Verdict.FAILED
            dead = verb != "MAIL" and classify_status(self.enhanced) == "dead_address"
            suppress = "hard_bounce" if dead else ""
        return Receipt(message.id, message.attempt, verdict, self.detail, suppress=suppress)


class ReplyReader:
    """Bytes in, complete replies out. `broken` says why nothing more can be understood, else it is ""."""

    def __init__(self) -> None:
        self.broken = ""
        self.rest = b""
        self._lines: list[bytes] = []
        self._size = 0
        self._known: dict[bytes, Reply] = {}

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that `data` completes, in their order; those before a line that is no reply still count."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        replies = []
        for line in lines:
            if line in self._known and not self._lines:
                replies.append(self._known[line])
                continue
            found = _LINE.fullmatch(line.rstrip(b"\r"))
            if not found:
                self.broken = "the server's answer is not SMTP"
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
            self.broken = "an answer without an end"
        return replies


def without_addresses(text: str) -> str:
    """Printable, with every address that a server may have repeated taken out."""
    if "@" in text:
        text = _ADDRESS.sub("<address>", text)
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)
