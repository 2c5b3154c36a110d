"""A connection to a mail server: commands out, complete replies in, each paired with the command that it answers."""

from __future__ import annotations

import asyncio
from collections import deque

from automation_email.deadline import Deadline
from automation_email.reply import Reply, ReplyReader

_PIECE = 64 * 1024
_ROOM = 16 * 1024  # for replies; asyncio would allocate a buffer of 256 KB for each


class Connection(asyncio.BufferedProtocol):
    """Takes over the transport of a logged-in connection; a subclass handles the replies and the end.

    timeout: seconds for each reply; response_timeout: for the reply to a whole message. Part of a reply extends no
    timeout, and neither does a body of which nothing is sent.
    """

    def __init__(self, transport: asyncio.Transport, *, timeout: float, response_timeout: float) -> None:
        self.transport = transport
        self.over = False
        self.expected: deque[str] = deque()
        self.more = False
        """During `on_reply`: whether the server has already sent something after this reply."""
        self._timeout = timeout
        self._response_timeout = response_timeout
        self._reader = ReplyReader()
        self._received = memoryview(bytearray(_ROOM))
        self._deadline = Deadline(asyncio.get_running_loop(), self._late)
        self._body = memoryview(b"")
        self._unsent = 0
        transport.set_write_buffer_limits(0)  # so that `resume_writing` means that everything was sent
        transport.set_protocol(self)

    def on_reply(self, verb: str, reply: Reply) -> None:
        """Handle the reply to the command `verb`; "" for a reply to no command."""
        raise NotImplementedError

    def on_end(self, why: str, *, lost: bool) -> None:
        """Handle the end of the connection; `lost`: the server or the network ended it."""
        raise NotImplementedError

    def on_body_sent(self) -> None:
        """Handle that the whole body of `write_body` was passed to the network."""
        raise NotImplementedError

    def command(self, verb: str, data: bytes) -> None:
        """Send a command, and expect its reply."""
        self.expected.append(verb)
        self.transport.write(data)

    def write_body(self, data: bytes) -> None:
        """Send a body piece by piece: a TLS transport that gets everything at once does not tell how much was sent."""
        self._body = memoryview(data)
        self._write_on()

    def _write_on(self) -> None:
        while self._body and not self.transport.get_write_buffer_size():
            self.transport.write(self._body[:_PIECE])
            self._body = self._body[_PIECE:]
        self._unsent = len(self._body) + self.transport.get_write_buffer_size()
        if not self._unsent:
            self.on_body_sent()

    def watch(self) -> None:
        """Start the timeout of the next reply, or stop it where none is expected."""
        if self.over or not (self.expected or self._unsent):
            self._deadline.clear()
        elif self.expected and self.expected[0] == "DOT":
            self._deadline.set(self._response_timeout)
        else:
            self._deadline.set(self._timeout)

    def fail(self, why: str, *, lost: bool = False) -> None:
        """End the connection; `lost`: the server or the network ended it."""
        if not self.over:
            self.over = True
            self._deadline.clear()
            self.transport.abort()
            self.on_end(why, lost=lost)

    # asyncio.BufferedProtocol

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where asyncio writes received bytes."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Parse received bytes into replies and handle each."""
        replies = self._reader.feed(bytes(self._received[:nbytes]))
        last = len(replies) - 1
        for number, reply in enumerate(replies):
            if self.over:
                return
            self.more = number < last or bool(self._reader.rest or self._reader.broken)
            self.on_reply(self.expected.popleft() if self.expected else "", reply)
        if self._reader.broken:
            self.fail(self._reader.broken)
        elif replies:
            self.watch()

    def resume_writing(self) -> None:
        """Send the next piece of the body, once the last was sent."""
        if self._unsent and not self.over:
            self._write_on()
            self.watch()

    def eof_received(self) -> bool:
        """End: the server closed its side."""
        self.fail("the connection was lost", lost=True)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """End: the network broke the connection."""
        self.fail("the connection was lost", lost=True)

    def _late(self) -> None:
        left = len(self._body) + self.transport.get_write_buffer_size()
        if self._unsent and left < self._unsent:
            self._unsent = left
            self.watch()
        else:
            self.fail("timed out")
