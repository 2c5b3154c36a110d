"""One SMTP conversation after the login: what is written when, so that every message's verdict is certain.

aiosmtplib connects, negotiates TLS and logs in; then this protocol takes over its transport, because a library's
`send_message` does not tell whether the final dot had been handed over when a connection broke (RFC 1047's gap), and
drops answers that come before they are asked for, as they do with pipelining (RFC 2920).
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from dataclasses import dataclass

from automation.contracts import HandOver
from automation.types.message import Receipt, Rendered, Verdict

MAX_REPLY = 64 * 1024
_REPLY = re.compile(rb"(\d{3})([ -]?)(.*)")
_QUEUED = re.compile(r"queued as ([\w.-]{4,80})", re.I)
_CODES = {"2": Verdict.SENT, "4": Verdict.RETRY, "5": Verdict.FAILED}


class Disconnected(ConnectionError):
    """The connection is gone, or what came over it is not SMTP."""


@dataclass(frozen=True)
class Reply:
    """A complete answer of the server."""

    code: int
    text: str

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def detail(self) -> str:
        """Short, printable, and without any address that the server may have repeated."""
        return f"{self.code} {without_addresses(self.text)}"[:160].rstrip()

    def receipt(self, message: Rendered) -> Receipt:
        """A complete answer is definite: 2xx sent, 4xx may be tried again, everything else never."""
        verdict = _CODES.get(str(self.code)[0], Verdict.FAILED)
        queued = _QUEUED.search(self.text) if verdict is Verdict.SENT else None
        return Receipt(message.id, message.attempt, verdict, self.detail, queued[1] if queued else "")


@dataclass(frozen=True)
class Envelope:
    """What the server is asked: the return path, the recipient, the bytes, and whether SMTPUTF8 is needed."""

    sender: str
    to: str
    data: bytes
    utf8: bool = False

    @property
    def mail(self) -> bytes:
        return f"MAIL FROM:<{self.sender}>{' BODY=8BITMIME SMTPUTF8' if self.utf8 else ''}\r\n".encode()

    @property
    def rcpt(self) -> bytes:
        return f"RCPT TO:<{self.to}>\r\n".encode()


class Session(asyncio.Protocol):
    """One logged-in connection. `usable` is False once it broke, or the server said 421 or something unreadable."""

    def __init__(
        self, transport: asyncio.Transport, *, extensions: frozenset[str], timeout: float, answer_timeout: float
    ) -> None:
        self.transport = transport
        self.extensions = extensions
        self.timeout = timeout
        self.answer_timeout = answer_timeout
        self.delivered = 0
        self.usable = True
        self._buffer = b""
        self._lines: list[str] = []
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._flowing: asyncio.Future[None] | None = None
        transport.set_protocol(self)

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            self._take(line.rstrip(b"\r"))
        if len(self._buffer) > MAX_REPLY or len(self._lines) > 1_000:
            self._break()
        self._wake(self._waiter)

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        self._wake(self._waiter)
        self._wake(self._flowing)

    def eof_received(self) -> bool:
        self._break()
        return False

    def pause_writing(self) -> None:
        self._flowing = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        self._wake(self._flowing)
        self._flowing = None

    # One message

    async def deliver(self, message: Rendered, envelope: Envelope, hand_over: HandOver) -> Receipt:
        """The server's verdict. Raises `Disconnected` or `TimeoutError` only while nothing can have been delivered."""
        if self._replies:
            raise Disconnected("the server spoke unasked")
        refusal = await self._offer(envelope)
        if refusal:
            return refusal.receipt(message)
        self._write(_stuffed(envelope.data))
        await self._drained()
        if self._replies and not self._replies[0].positive:  # refused before it was complete
            self.abort()
            return self._replies.popleft().receipt(message)
        if not self.usable or self._replies:
            raise Disconnected("the connection broke within the message")
        self.delivered += 1
        hand_over(message)
        self._write(b".\r\n")
        try:
            return (await self._answer(self.answer_timeout)).receipt(message)
        except (ConnectionError, TimeoutError) as error:
            self.abort()
            return Receipt(
                message.id, message.attempt, Verdict.AMBIGUOUS, f"no answer after the final dot: {_why(error)}"
            )

    async def _offer(self, envelope: Envelope) -> Reply | None:
        """MAIL, RCPT and DATA; None when the server waits for the message, else its refusal."""
        pipelined = "pipelining" in self.extensions
        if pipelined:
            self._write(envelope.mail + envelope.rcpt + b"DATA\r\n")
        refusal: Reply | None = None
        for command in (envelope.mail, envelope.rcpt):
            if not pipelined:
                self._write(command)
            reply = await self._answer(self.timeout)
            if reply.code == 421:
                raise Disconnected(reply.detail)
            refusal = refusal or (None if reply.positive else reply)
            if refusal and not pipelined:
                await self._reset()
                return refusal
        if not pipelined:
            self._write(b"DATA\r\n")
        ready = await self._answer(self.timeout)
        if ready.code == 421 and not refusal:
            raise Disconnected(ready.detail)
        if ready.code == 354 and not refusal:
            return None
        if ready.code == 354:
            self._write(b".\r\n")  # an empty message without recipients, which the server must refuse
            await self._answer(self.timeout)
        await self._reset()
        return refusal or (ready if not ready.positive else Reply(451, f"unexpected answer to DATA: {ready.code}"))

    async def _reset(self) -> None:
        """Forget the half transaction. A server that can't is not used again; the refusal stands all the same."""
        if not self.usable:
            return
        try:
            self._write(b"RSET\r\n")
            if not (await self._answer(self.timeout)).positive:
                self.abort()
        except (ConnectionError, TimeoutError):
            self.abort()

    async def quit(self) -> None:
        """Say goodbye, and do not wait long for the answer."""
        if self.usable:
            try:
                self._write(b"QUIT\r\n")
                await self._answer(2)
            except (ConnectionError, TimeoutError):
                pass
        self.abort()

    def abort(self) -> None:
        self.usable = False
        self.transport.abort()

    # Bytes

    def _take(self, line: bytes) -> None:
        found = _REPLY.fullmatch(line)
        if not found:
            self._break()
            return
        self._lines.append(found[3].decode("utf-8", "replace"))
        if found[2] != b"-":
            reply = Reply(int(found[1]), " ".join(self._lines))
            self._lines = []
            self._replies.append(reply)
            if reply.code == 421:
                self.usable = False

    async def _answer(self, timeout: float) -> Reply:
        async with asyncio.timeout(timeout):
            while not self._replies:
                if not self.usable:
                    raise Disconnected("the server closed the connection")
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
        return self._replies.popleft()

    def _write(self, data: bytes) -> None:
        if not self.usable or self.transport.is_closing():
            self.usable = False
            raise Disconnected("the server closed the connection")
        self.transport.write(data)

    async def _drained(self) -> None:
        if self._flowing:
            async with asyncio.timeout(self.timeout):
                await self._flowing

    def _break(self) -> None:
        self.usable = False
        self.transport.close()
        self._wake(self._waiter)
        self._wake(self._flowing)

    @staticmethod
    def _wake(future: asyncio.Future[None] | None) -> None:
        if future and not future.done():
            future.set_result(None)


def _stuffed(data: bytes) -> bytes:
    """Dots at line starts doubled, and a line end at the end (RFC 5321, 4.5.2)."""
    if data.startswith(b"."):
        data = b"." + data
    data = data.replace(b"\r\n.", b"\r\n..")
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def without_addresses(text: str) -> str:
    """Printable, with every address that a server may have repeated taken out."""
    text = re.sub(r"\S*@\S*", "<address>", text)
    return "".join(character if character.isprintable() else " " for character in text)


def _why(error: Exception) -> str:
    return "timed out" if isinstance(error, TimeoutError) else "the connection broke"
