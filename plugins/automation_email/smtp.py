"""E-mail over SMTP, through a few persistent connections."""

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
from automation_email.queue import MessageQueue
from automation_email.session import Session

_SMTPUTF8 = frozenset({"smtputf8", "8bitmime"})


class SmtpChannel:
    """SMTP (RFC 5321), pipelined (RFC 2920) where the server offers it, signed (RFC 6376) by the keys in `dkim`.

    `deliver` yields one receipt a message in the order of the replies. A complete reply decides: 2xx SENT, 4xx RETRY,
    5xx FAILED, with `suppress` where it means that the address is dead. RETURNED where no reply was about the message:
    no connection or login, 421 before the final dot, a connection that broke before the server read the message. A
    connection that broke or timed out while the server read it: RETRY. After the final dot, without a complete reply:
    AMBIGUOUS. An invalid address or header, and a local part outside ASCII where the server lacks SMTPUTF8: FAILED.
    `detail` holds no address.

    After `deliver` is cancelled, none of its messages is handed over any more.
    """

    kind: ClassVar[str] = "email"
    Options: ClassVar[type[BaseModel]] = SmtpOptions

    def __init__(self, options: SmtpOptions) -> None:
        self.options = options
        self._pool: Pool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """One receipt for each message, in the order of the replies."""
        together, waiting = deliveries(messages, hand_over)
        try:
            assert self._signers is not None  # read before a connection is opened
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
        """Send QUIT on every idle connection; abort those that await a reply."""
        if self._pool and self._loop is asyncio.get_running_loop():
            await self._pool.close()
        self._pool = None

    def pool(self) -> Pool:
        """The connections of this event loop; those of an earlier loop can't be used."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            options = self.options
            self._loop = loop
            self._pool = Pool(
                self._connect, self._prepare, size=options.connections, share=options.messages_per_connection
            )
        return self._pool

    async def _connect(self, queue: MessageQueue) -> Session:
        found = await log_in(self.options)
        return Session(
            found.transport,
            queue,
            extensions=found.extensions,
            timeout=self.options.timeout,
            response_timeout=self.options.response_timeout,
        )

    @cached_property
    def _signers(self) -> tuple[Signer, ...]:
        return tuple(load_signer(key) for key in self.options.dkim)

    def _prepare(self, delivery: Delivery, extensions: frozenset[str]) -> bool:
        """Build and sign the message; False, with the receipt FAILED, where that is impossible."""
        message = delivery.message
        try:
            to = read_address(message.to)
            sender = self._return_address(message)
            utf8 = to.needs_utf8 or sender.needs_utf8
            if utf8 and not extensions >= _SMTPUTF8:
                delivery.settle(Verdict.FAILED, "address_unsupported: the server lacks SMTPUTF8")
                return False
            delivery.envelope = envelope(
                str(sender), str(to), build(self._with_id_header(message), self._signers), utf8=utf8
            )
        except MimeError as error:
            delivery.settle(Verdict.FAILED, str(error))
            return False
        return True

    def _with_id_header(self, message: Rendered) -> Rendered:
        """The message with the header that the provider's reports name, where the options have one."""
        name = self.options.id_header
        return message if name is None else replace(message, headers={**message.headers, name: message.id})

    def _return_address(self, message: Rendered) -> Address:
        """Where a bounce goes (VERP); a message without a token, such as a test, bounces to the plain address."""
        path = self.options.return_path
        if path is None:
            return own_address(message.sender)
        if message.bounce_token:
            return read_address(path.replace("{token}", message.bounce_token, 1))
        return own_address(path.replace("+{token}", "", 1).replace("{token}", "bounce", 1))
