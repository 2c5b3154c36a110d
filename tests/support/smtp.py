"""Real SMTP servers for tests: aiosmtpd for what servers do, a scripted one for what they should not do."""
# ruff: noqa: N802 - aiosmtpd finds its handlers by these names

from __future__ import annotations

import asyncio
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


@dataclass(frozen=True)
class Taken:
    """One message that the server took."""

    sender: str
    to: tuple[str, ...]
    data: bytes


@dataclass
class Mailbox:
    """What a server took, and what it answers. `replies`: `MAIL`, `RCPT` or `DATA` → reply, or a function of the
    recipient (`DATA`: of the first recipient) that gives one; None means yes."""

    replies: Mapping[str, str | Callable[[str], str | None]] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    messages: list[Taken] = field(default_factory=list)
    connections: int = 0
    recipients: list[str] = field(default_factory=list)
    drop_after_dot: bool = False

    def reply(self, verb: str, who: str) -> str | None:
        answer = self.replies.get(verb)
        return answer(who) if callable(answer) else answer

    async def handle_EHLO(
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return [*responses[:-1], *(f"250-{name}" for name in self.extensions), responses[-1]]

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if refusal := self.reply("MAIL", address):
            return refusal
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        self.recipients.append(address)
        if refusal := self.reply("RCPT", address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        if refusal := self.reply("DATA", envelope.rcpt_tos[0]):
            return refusal
        self.messages.append(Taken(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.original_content))
        if self.drop_after_dot:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return f"250 2.0.0 Ok: queued as {len(self.messages):08X}"


class _AnyPort(Controller):
    """aiosmtpd asks its own server for a sign of life at the port it was told, which 0 is not; and it leaves the
    connections that are open at its end to the garbage collector."""

    def factory(self) -> SMTP:
        served: SMTP = super().factory()  # type: ignore[no-untyped-call]
        self.__dict__.setdefault("served", []).append(served)
        return served

    async def hang_up(self) -> None:
        """Close every connection that is still open, and let the loop notice."""
        for served in self.__dict__.get("served", []):
            if isinstance(served.transport, asyncio.Transport) and not served.transport.is_closing():
                served.transport.abort()
        await asyncio.sleep(0.01)

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def smtp_server(mailbox: Mailbox, **settings: Any) -> Iterator[int]:
    """An aiosmtpd server on a free port, in a thread of its own; gives the port."""
    controller = _AnyPort(mailbox, hostname="127.0.0.1", port=0, **settings)
    controller.start()
    try:
        yield controller.port
    finally:
        asyncio.run_coroutine_threadsafe(controller.hang_up(), controller.loop).result(10)
        controller.stop()


def accepts(username: str, password: str) -> Callable[..., AuthResult]:
    """An aiosmtpd authenticator that takes one login."""

    def authenticate(server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (username.encode(), password.encode()), handled=False)

    return authenticate


DROP = b""
"""In a script: close the connection instead of answering."""


@contextmanager
def scripted_server(script: Mapping[str, bytes], seen: list[bytes] | None = None) -> Iterator[int]:
    """A server that answers each verb as `script` says; `CONNECT` and `DOT` count as verbs too.

    A verb without an entry gets what a plain server answers. `DATA` starts reading a message where its answer is 354.
    """
    plain = {"CONNECT": b"220 hi\r\n", "DATA": b"354 go\r\n", "QUIT": b"221 bye\r\n"}
    lines: list[bytes] = [] if seen is None else seen

    class Handler(socketserver.StreamRequestHandler):
        def say(self, verb: str) -> bytes:
            answer = script.get(verb, plain.get(verb, b"250 ok\r\n"))
            self.wfile.write(answer)
            return answer

        def handle(self) -> None:
            reading = False
            if self.say("CONNECT") == DROP:
                return
            for line in self.rfile:
                lines.append(line)
                if reading and line != b".\r\n":
                    continue
                verb = "DOT" if reading else line[:4].decode().upper()
                answer = self.say(verb)
                if answer == DROP or verb == "QUIT":
                    return
                reading = verb == "DATA" and answer.startswith(b"354")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
