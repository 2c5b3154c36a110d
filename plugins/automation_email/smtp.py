"""E-mail over SMTP, through a few connections that stay open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

from pydantic import BaseModel

from automation.contracts import HandOver
from automation.types.message import Receipt, Rendered, Verdict
from automation_email.address import Address, MimeError, own_address, read_address
from automation_email.delivery import Delivery, deliveries, envelope
from automation_email.dkim import KeyProblem, Signer, load_signer
from automation_email.login import log_in
from automation_email.mime import build
from automation_email.options import SmtpOptions
from automation_email.pool import Pool
from automation_email.session import Session
from automation_email.work import Work

_SMTPUTF8 = frozenset({"smtputf8", "8bitmime"})


class SmtpChannel:
    """SMTP (RFC 5321), pipelined (RFC 2920) where the server offers it, signed (RFC 6376) by the keys in `dkim`.

    `deliver` yields one receipt a message as the answers come. A complete answer decides: 2xx SENT, 4xx RETRY, 5xx
    FAILED, and with `suppress` where it says that the address is dead. RETURNED is what no answer was about: no
    connection or login, 421 before the final dot, a connection that broke before the server looked at the message. One
    that broke, or fell silent, while it heard the message: RETRY. After the final dot, without a complete answer:
    AMBIGUOUS. An address or header that is not valid, and a local part outside of ASCII where the server lacks
    SMTPUTF8: FAILED. `detail` holds no address.

    When `deliver` is cancelled, nothing more of its messages is handed over.
    """

    kind: ClassVar[str] = "email"
    Options: ClassVar[type[BaseModel]] = SmtpOptions

    def __init__(self, options: SmtpOptions) -> None:
        self.options = options
        self._pool: Pool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order in which the answers come."""
        together, waiting = deliveries(messages, hand_over)
        try:
            assert self._signers is not None  # read before anything is opened
            self.pool().submit(waiting)
        except KeyProblem as error:
            for delivery in waiting:
                delivery.settle(Verdict.RETURNED, str(error))
        try:
            async for receipt in together.receipts():
                yield receipt
        finally:
            together.withdrawn = True

    async def close(self) -> None:
        """Say goodbye on every idle connection; cut those on which an answer is awaited."""
        if self._pool and self._loop is asyncio.get_running_loop():
            await self._pool.close()
        self._pool = None

    def pool(self) -> Pool:
        """The connections of this event loop; those of another one that is gone can't be used."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            options = self.options
            self._loop = loop
            self._pool = Pool(
                self._connect, self._prepare, size=options.connections, share=options.messages_per_connection
            )
        return self._pool

    async def _connect(self, work: Work) -> Session:
        found = await log_in(self.options)
        return Session(
            found.transport,
            work,
            extensions=found.extensions,
            timeout=self.options.timeout,
            answer_timeout=self.options.answer_timeout,
        )

    @cached_property
    def _signers(self) -> tuple[Signer, ...]:
        return tuple(load_signer(key) for key in self.options.dkim)

    def _prepare(self, delivery: Delivery, extensions: frozenset[str]) -> bool:
        """Build and sign the message; where that can't be done it has failed."""
        message = delivery.message
        try:
            to = read_address(message.to)
            sender = self._return_address(message)
            utf8 = to.needs_utf8 or sender.needs_utf8
            if utf8 and not extensions >= _SMTPUTF8:
                delivery.settle(Verdict.FAILED, "address_unsupported: the server lacks SMTPUTF8")
                return False
            delivery.envelope = envelope(str(sender), str(to), build(self._marked(message), self._signers), utf8=utf8)
        except MimeError as error:
            delivery.settle(Verdict.FAILED, str(error))
            return False
        return True

    def _marked(self, message: Rendered) -> Rendered:
        """With the header by which the provider reports, where it wants one."""
        name = self.options.id_header
        return message if name is None else replace(message, headers={**message.headers, name: message.id})

    def _return_address(self, message: Rendered) -> Address:
        """Where a bounce goes (VERP); a message without a token, as a test has none, bounces to the bare address."""
        path = self.options.return_path
        if path is None:
            return own_address(message.sender)
        if message.bounce_token:
            return read_address(path.replace("{token}", message.bounce_token, 1))
        return own_address(path.replace("+{token}", "", 1).replace("{token}", "bounce", 1))
