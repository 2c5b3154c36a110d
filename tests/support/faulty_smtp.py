"""An SMTP server that goes wrong on purpose, at one verb and for one recipient, and writes down what it received.

The recipient of a message is known from its first verb on, since the return path names it: `b+bo@shop.example`.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

CONNECTION_VERBS = ("CONNECT", "EHLO", "HELO", "STARTTLS", "HANDSHAKE", "AUTH", "QUIT")
"""What is said before or after any message: a fault there happens whoever the message is for."""
_PLAIN = {
    "CONNECT": b"220 faulty.example ESMTP\r\n",
    "HELO": b"250 faulty.example\r\n",
    "STARTTLS": b"220 go ahead\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "DATA": b"354 go ahead\r\n",
    "DOT": b"250 2.0.0 Ok: queued as 0A1B2C\r\n",
    "LONE DOT": b"554 5.5.1 no valid recipients\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
}
_COMPLETE = re.compile(rb"^([245]\d\d)(?: .*)?\n", re.M)
_OK = b"250 2.0.0 ok\r\n"


End = Literal["go on", "close", "reset", "stall"]


@dataclass(frozen=True)
class Fault:
    """What the server does at `verb` instead of answering as it should.

    say: what it writes; drip: seconds between its bytes; then: what it does after that. BODY is after `after` bytes
    of a message. `DATA` begins a message wherever a 354 was said. extra: further answers, at other verbs.
    """

    verb: str
    say: bytes = b""
    then: End = "go on"
    drip: float = 0
    after: int = 0
    extra: Mapping[str, bytes] = field(default_factory=dict)


@dataclass
class Received:
    """One message that began to arrive. `answered`: what was completely said to its final dot."""

    to: str
    recipients: int
    size: int = 0
    whole: bool = False
    answered: str = ""

    @property
    def accepted(self) -> bool:
        return self.whole and self.recipients > 0 and self.answered.startswith("2")

    @property
    def refused(self) -> bool:
        return self.whole and self.answered[:1] in ("4", "5")


class Hangup(Exception):
    """The server has closed the connection."""


@dataclass
class FaultyServer:
    """One server, its one fault, and what came in."""

    fault: Fault | None
    who: str
    extensions: tuple[str, ...]
    tls: ssl.SSLContext | None = None
    most: int = 1_000
    to_groups: Fault | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.writers.append(writer)
        try:
            await _Conversation(self, reader, writer).hold()
        except (Hangup, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.open_now -= 1
            writer.close()


class _Conversation:
    def __init__(self, server: FaultyServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.who = ""
        self.taking: Received | None = None
        self.recipients = 0

    async def hold(self) -> None:
        if self.server.open_now > self.server.most:
            await self._write(b"421 4.7.0 too many connections\r\n")
            raise Hangup
        await self._say("CONNECT")
        while line := await self.reader.readline():
            verb = line[:4].decode("ascii", "replace").upper().strip()
            verb = {"STAR": "STARTTLS"}.get(verb, verb)
            if verb == "MAIL":
                self.who, self.recipients = line.partition(b"+")[2].partition(b"@")[0].decode(), 0
            if verb == "MAIL" and self.server.to_groups and await self._spoken_to_in_groups():
                continue
            await self._say(verb)
            if verb == "QUIT":
                raise Hangup

    async def _spoken_to_in_groups(self) -> bool:
        """Whether more came before MAIL was answered; then MAIL is well, and the rest as `to_groups` says."""
        assert self.server.to_groups is not None
        try:
            await asyncio.wait_for(self.reader.readline(), 0.05)
        except TimeoutError:
            return False
        await self._write(_OK)
        await self._go_wrong(self.server.to_groups)
        await self.reader.readline()
        await self._go_wrong(self.server.to_groups)
        return True

    async def _say(self, verb: str) -> str:
        """Answer, or do what the fault says; gives the code of what was said completely."""
        fault = self.server.fault
        if fault and fault.verb == verb and (verb in CONNECTION_VERBS or self.who == self.server.who):
            return await self._go_wrong(fault)
        if fault and verb in fault.extra and (verb in CONNECTION_VERBS or self.who == self.server.who):
            return await self._answer(verb, fault.extra[verb])
        return await self._answer(verb, self._hello() if verb == "EHLO" else _PLAIN.get(verb, _OK))

    async def _answer(self, verb: str, answer: bytes) -> str:
        await self._write(answer)
        if verb == "RCPT" and answer.startswith(b"2"):
            self.recipients += 1
        if verb == "DATA" and answer.startswith(b"354"):
            await self._take()
        if verb == "STARTTLS" and answer.startswith(b"220"):
            await self._secure()
        return answer[:3].decode()

    async def _go_wrong(self, fault: Fault) -> str:
        if fault.drip:
            for byte in fault.say:
                await self._write(bytes([byte]))
                await asyncio.sleep(fault.drip)
        elif fault.say:
            await self._write(fault.say)
        if self.taking and fault.verb == "DOT" and (said := _COMPLETE.search(fault.say)):
            self.taking.answered = said[1].decode()
        if fault.then == "stall":
            await asyncio.sleep(60)
        if fault.then == "reset":
            self.writer.transport.abort()
        if fault.then in ("close", "reset"):
            raise Hangup
        if fault.say:
            await self._aftermath(fault)
        return fault.say[:3].decode("ascii", "replace")

    async def _aftermath(self, fault: Fault) -> None:
        """A wrong answer that still lets the conversation go on, as a server would."""
        if fault.say.startswith(b"421"):
            raise Hangup
        if fault.verb == "RCPT" and fault.say.startswith(b"2"):
            self.recipients += 1
        if fault.verb == "DATA" and fault.say.startswith(b"354"):
            await self._take()
        if fault.verb == "STARTTLS" and fault.say.startswith(b"220"):
            await self._secure()

    async def _take(self) -> None:
        """Read a message to its dot."""
        message = self.taking = Received(self.who, self.recipients)
        fault = self.server.fault
        self.server.received.append(message)
        while line := await self.reader.readline():
            if line == b".\r\n":
                message.whole = True
                message.answered = await self._say("LONE DOT" if self.recipients == 0 else "DOT")
                self.taking = None
                return
            message.size += len(line)
            if fault and fault.verb == "BODY" and self.who == self.server.who and message.size >= fault.after:
                await self._go_wrong(fault)
        raise Hangup

    async def _secure(self) -> None:
        assert self.server.tls is not None
        fault = self.server.fault
        if fault and fault.verb == "HANDSHAKE":
            await self._go_wrong(fault)
        await self.writer.start_tls(self.server.tls)

    def _hello(self) -> bytes:
        return b"".join(b"250-%b\r\n" % name.encode() for name in ("faulty.example", *self.server.extensions)) + _OK

    async def _write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@asynccontextmanager
async def faulty_server(
    fault: Fault | None, *, who: str = "bo", extensions: tuple[str, ...] = (), tls: ssl.SSLContext | None = None,
    most: int = 1_000, to_groups: Fault | None = None,
) -> AsyncIterator[FaultyServer]:  # fmt: skip
    """The server on a free port of this machine; `most` connections are greeted at once.

    to_groups: what is done when commands come in groups, though PIPELINING was offered.
    """
    faulty = FaultyServer(fault, who, extensions, tls, most, to_groups)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(faulty.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
    server = await asyncio.start_server(accept, sock=listening, limit=2**16)
    faulty.port = server.sockets[0].getsockname()[1]
    try:
        yield faulty
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in faulty.writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # the loop closes the sockets
        await server.wait_closed()
