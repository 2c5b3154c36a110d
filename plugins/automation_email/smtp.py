"""E-mail over SMTP, through a few connections that stay open."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from automation import contracts
from automation.contracts import HandOver
from automation.types.message import Receipt, Rendered, Verdict
from automation.types.secret import Secret
from automation_email.address import MimeError, read_address
from automation_email.mime import build
from automation_email.session import Disconnected, Envelope, Session, without_addresses

if TYPE_CHECKING:
    import aiosmtplib

_PORTS = {"none": 25, "starttls": 587, "implicit": 465}
_EXTENSIONS = ("pipelining", "smtputf8", "8bitmime")


class SmtpOptions(contracts.Options):
    """How to reach the mail server. The password comes from the environment: `password: ${SMTP_PASSWORD}`."""

    host: str = Field(description="the mail server's name")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(default=None, description="25, 587 or 465 by `tls`")
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    username: str | None = None
    password: Secret | None = None
    connections: Annotated[int, Field(ge=1, le=100)] = 4
    timeout: Annotated[float, Field(gt=0, le=600)] = Field(default=60, description="seconds for each command")
    answer_timeout: Annotated[float, Field(gt=0, le=1800)] = Field(
        default=600, description="seconds to wait for the answer to a whole message"
    )
    messages_per_connection: Annotated[int, Field(ge=1)] = 1000
    local_hostname: str | None = Field(default=None, description="the name said in EHLO; this machine's by default")
    return_path: str | None = Field(default=None, description="where bounces go; the sender's address by default")
    ca_file: Path | None = Field(default=None, description="certificates to trust instead of the system's")

    @model_validator(mode="after")
    def _login_is_whole(self) -> SmtpOptions:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        return self


class SmtpChannel:
    """SMTP (RFC 5321), with pipelining (RFC 2920) where the server offers it.

    `deliver` yields one receipt a message as the answers come. A complete answer decides: 2xx SENT, 4xx RETRY, 5xx
    FAILED. A connection that can't be opened, or breaks before the final dot was handed over: RETRY. After the dot,
    without a complete answer: AMBIGUOUS. An address or header that is not valid, and a local part outside of ASCII
    where the server lacks SMTPUTF8: FAILED. `detail` holds no address. When `deliver` is cancelled, messages under way
    are left unreported and their connections are cut.
    """

    kind: ClassVar[str] = "email"
    Options: ClassVar[type[BaseModel]] = SmtpOptions

    def __init__(self, options: SmtpOptions) -> None:
        self.options = options
        self._idle: list[Session] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order in which the answers come."""
        self._forget_other_loop()
        waiting = iter(messages)
        answers: asyncio.Queue[Receipt | BaseException] = asyncio.Queue()
        workers = [
            asyncio.create_task(self._work(waiting, answers, hand_over))
            for _ in range(min(self.options.connections, len(messages)))
        ]
        try:
            for _ in messages:
                answer = await answers.get()
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def close(self) -> None:
        """Say goodbye on every idle connection."""
        self._forget_other_loop()
        idle, self._idle = self._idle, []
        await asyncio.gather(*(session.quit() for session in idle))

    async def _work(
        self, waiting: Iterator[Rendered], answers: asyncio.Queue[Receipt | BaseException], hand_over: HandOver
    ) -> None:
        try:
            for message in waiting:
                answers.put_nowait(await self._deliver_one(message, hand_over))
        except BaseException as error:
            answers.put_nowait(error)
            raise

    async def _deliver_one(self, message: Rendered, hand_over: HandOver) -> Receipt:
        try:
            envelope = self._envelope(message)
        except MimeError as error:
            return Receipt(message.id, message.attempt, Verdict.FAILED, str(error))
        while True:
            session = self._borrow()
            fresh = session is None
            try:
                session = session or await self._connect()
                return await self._converse(session, message, envelope, hand_over)
            except (Disconnected, TimeoutError, OSError) as error:
                if fresh or not isinstance(error, Disconnected):
                    return Receipt(message.id, message.attempt, Verdict.RETRY, _detail(error))

    async def _converse(self, session: Session, message: Rendered, envelope: Envelope, hand_over: HandOver) -> Receipt:
        if envelope.utf8 and not {"smtputf8", "8bitmime"} <= session.extensions:
            self._idle.append(session)
            return Receipt(
                message.id, message.attempt, Verdict.FAILED, "address_unsupported: the server lacks SMTPUTF8"
            )
        try:
            receipt = await session.deliver(message, envelope, hand_over)
        except BaseException:
            session.abort()
            raise
        if session.usable and session.delivered < self.options.messages_per_connection:
            self._idle.append(session)
        else:
            await session.quit()
        return receipt

    def _envelope(self, message: Rendered) -> Envelope:
        to = read_address(message.to)
        sender = read_address(self.options.return_path or message.sender)
        return Envelope(str(sender), str(to), build(message), to.needs_utf8 or sender.needs_utf8)

    def _borrow(self) -> Session | None:
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            session.abort()
        return None

    async def _connect(self) -> Session:
        """A logged-in connection. Raises `OSError` or `TimeoutError`, whatever went wrong."""
        import aiosmtplib

        client = aiosmtplib.SMTP(**self._settings())
        try:
            async with asyncio.timeout(self.options.timeout):
                await client.connect()
                await _greet(client)
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            raise ConnectionError(f"{error.code} {error.message}") from error
        except (aiosmtplib.SMTPException, ValueError) as error:
            client.close()
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        except BaseException:
            client.close()
            raise
        transport = client.transport
        assert isinstance(transport, asyncio.Transport)
        return Session(
            transport,
            extensions=frozenset(name for name in _EXTENSIONS if client.supports_extension(name)),
            timeout=self.options.timeout,
            answer_timeout=self.options.answer_timeout,
        )

    def _settings(self) -> dict[str, Any]:
        options = self.options
        settings: dict[str, Any] = {
            "hostname": options.host,
            "port": options.port or _PORTS[options.tls],
            "timeout": options.timeout,
            "use_tls": options.tls == "implicit",
            "start_tls": options.tls == "starttls",
            "local_hostname": options.local_hostname,
        }
        if options.tls != "none":
            settings["tls_context"] = ssl.create_default_context(cafile=options.ca_file)
        if options.username is not None and options.password is not None:
            settings |= {"username": options.username, "password": options.password.get_secret_value()}
        return settings

    def _forget_other_loop(self) -> None:
        """Connections belong to the event loop that opened them."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._idle, self._loop = [], loop


async def _greet(client: aiosmtplib.SMTP) -> None:
    """EHLO, or HELO to a server that knows no better."""
    import aiosmtplib

    if client.is_ehlo_or_helo_needed:
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError:
            await client.helo()


def _detail(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out before the message was handed over"
    if isinstance(error, ConnectionError):
        return f"not handed over: {without_addresses(str(error))[:140] or type(error).__name__}"
    return f"not handed over: {type(error).__name__}"
