"""One message on its way: what the server is told about it, and who waits for its receipt."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from automation.contracts import HandOver
from automation.types.message import Receipt, Rendered, Verdict
from automation_email.reply import Reply


class Envelope(NamedTuple):
    """The commands and the bytes of one message; `data` ends with CRLF and its dots are stuffed."""

    mail: bytes
    rcpt: bytes
    data: bytes
    utf8: bool = False


def envelope(sender: str, to: str, data: bytes, *, utf8: bool = False) -> Envelope:
    """The envelope of a message with CRLF line ends (RFC 5321, 4.5.2; SMTPUTF8 is RFC 6531)."""
    parameters = " BODY=8BITMIME SMTPUTF8" if utf8 else ""
    return Envelope(
        f"MAIL FROM:<{sender}>{parameters}\r\n".encode(), f"RCPT TO:<{to}>\r\n".encode(), _stuffed(data), utf8
    )


def _stuffed(data: bytes) -> bytes:
    if data.startswith(b"."):
        data = b"." + data
    data = data.replace(b"\r\n.", b"\r\n..")
    return data if data.endswith(b"\r\n") else data + b"\r\n"


@dataclass(slots=True, eq=False)
class Delivery:
    """A message of a slice. `answered`: the server has said something about it; `refusal`: the first refused verb."""

    message: Rendered
    hand_over: HandOver
    slice: Slice
    envelope: Envelope | None = None
    answered: bool = False
    refusal: tuple[str, Reply] | None = None
    taken_back: int = 0
    reported: bool = False

    def report(self, receipt: Receipt) -> None:
        if not self.reported:
            self.reported = True
            self.slice.put(receipt)

    def settle(self, verdict: Verdict, detail: str) -> None:
        self.report(Receipt(self.message.id, self.message.attempt, verdict, detail))

    def again(self) -> None:
        """Ready for another connection, as if nothing had been said."""
        self.taken_back += 1
        self.answered, self.refusal = False, None


@dataclass(eq=False)
class Slice:
    """What one call of `deliver` waits for."""

    wanted: int
    withdrawn: bool = False
    _receipts: deque[Receipt] = field(default_factory=deque)
    _error: Exception | None = None
    _waiter: asyncio.Future[None] | None = None

    def put(self, receipt: Receipt) -> None:
        self._receipts.append(receipt)
        self._wake()

    def fail(self, error: Exception) -> None:
        """Something of ours broke: whoever waits is told."""
        self._error = error
        self._wake()

    async def receipts(self) -> AsyncIterator[Receipt]:
        """Every receipt as it comes, until all are there."""
        for _ in range(self.wanted):
            while not self._receipts:
                if self._error:
                    raise self._error
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            yield self._receipts.popleft()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


def deliveries(messages: Sequence[Rendered], hand_over: HandOver) -> tuple[Slice, list[Delivery]]:
    """One slice and its messages."""
    together = Slice(len(messages))
    return together, [Delivery(message, hand_over, together) for message in messages]
