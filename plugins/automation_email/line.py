"""The line to a mail server: commands out, complete replies in, each paired with the command that it answers."""

from __future__ import annotations

import asyncio
from collections import deque

from automation_email.deadline import Deadline
from automation_email.reply import Reply, ReplyReader

_PIECE = 64 * 1024
_ROOM = 16 * 1024  # for answers; asyncio would make a buffer of 256 KB for every one


class Line(asyncio.BufferedProtocol):
    """A connection whose transport it takes over. A subclass says what follows from a reply, and from the end.

    timeout: seconds for each answer; answer_timeout: for the answer to a whole message. Part of an answer prolongs
    nothing, and neither does a body of which nothing leaves.
    """

    def __init__(self, transport: asyncio.Transport, *, timeout: float, answer_timeout: float) -> None:
        self.transport = transport
        self.over = False
        self.expected: deque[str] = deque()
        self.more = False
        """While a reply is heard: whether the server has said something after it already."""
        self._timeout = timeout
        self._answer_timeout = answer_timeout
        self._reader = ReplyReader()
        self._received = memoryview(bytearray(_ROOM))
        self._deadline = Deadline(asyncio.get_running_loop(), self._late)
        self._body = memoryview(b"")
        self._unsent = 0
        transport.set_write_buffer_limits(0)  # so that `resume_writing` means that everything has left
        transport.set_protocol(self)

    def heard(self, verb: str, reply: Reply) -> None:
        """The answer to `verb`; "" where nothing was asked."""
        raise NotImplementedError

    def ended(self, why: str, *, lost: bool) -> None:
        """Nothing more will be heard."""
        raise NotImplementedError

    def body_left(self) -> None:
        """What `write_body` was given is on its way."""
        raise NotImplementedError

    def command(self, verb: str, data: bytes) -> None:
        self.expected.append(verb)
        self.transport.write(data)

    def write_body(self, data: bytes) -> None:
        """Piece by piece: a TLS transport that is given everything at once does not say how much of it has left."""
        self._body = memoryview(data)
        self._write_on()

    def _write_on(self) -> None:
        while self._body and not self.transport.get_write_buffer_size():
            self.transport.write(self._body[:_PIECE])
            self._body = self._body[_PIECE:]
        self._unsent = len(self._body) + self.transport.get_write_buffer_size()
        if not self._unsent:
            self.body_left()

    def watch(self) -> None:
        """Start the clock for the next answer, or stop it where none is awaited."""
        if self.over or not (self.expected or self._unsent):
            self._deadline.clear()
        elif self.expected and self.expected[0] == "DOT":
            self._deadline.set(self._answer_timeout)
        else:
            self._deadline.set(self._timeout)

    def fail(self, why: str, *, lost: bool = False) -> None:
        """The end; `lost`: it came from the other side."""
        if not self.over:
            self.over = True
            self._deadline.clear()
            self.transport.abort()
            self.ended(why, lost=lost)

    # asyncio.BufferedProtocol

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        replies = self._reader.feed(bytes(self._received[:nbytes]))
        last = len(replies) - 1
        for number, reply in enumerate(replies):
            if self.over:
                return
            self.more = number < last or bool(self._reader.rest or self._reader.broken)
            self.heard(self.expected.popleft() if self.expected else "", reply)
        if self._reader.broken:
            self.fail(self._reader.broken)
        elif replies:
            self.watch()

    def resume_writing(self) -> None:
        if self._unsent and not self.over:
            self._write_on()
            self.watch()

    def eof_received(self) -> bool:
        self.fail("the connection broke", lost=True)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.fail("the connection broke", lost=True)

    def _late(self) -> None:
        left = len(self._body) + self.transport.get_write_buffer_size()
        if self._unsent and left < self._unsent:
            self._unsent = left
            self.watch()
        else:
            self.fail("timed out")
