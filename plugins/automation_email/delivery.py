"""One message being delivered: its SMTP envelope, and the call of `deliver` that waits for its receipt."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from automation.contracts import HandOver, may_leave
from automation.types.message import Receipt, Rendered, Verdict
from automation_email.reply import Reply

WITHDRAWN = "the message was withdrawn"


class Envelope(NamedTuple):
    """The commands and the bytes of one message; `data` is dot-stuffed and ends with CRLF."""

    mail: bytes
    rcpt: bytes
    data: bytes
    utf8: bool = False


def envelope(sender: str, to: str, data: bytes, *, utf8: bool = False) -> Envelope:
    """The envelope of a message with CRLF line ends (RFC 5321, section 4.5.2; SMTPUTF8: RFC 6531)."""
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
    """A message of a slice.

    answered: the server has replied to one of its commands. refusal: the first refused command, with the reply.
    requeued: how often it was moved to another connection. reported: it has its receipt.
    """

    message: Rendered
    hand_over: HandOver
    slice: Slice
    envelope: Envelope | None = None
    answered: bool = False
    refusal: tuple[str, Reply] | None = None
    requeued: int = 0
    reported: bool = False

    def report(self, receipt: Receipt) -> None:
        """Give the message its receipt; a second one is ignored."""
        if not self.reported:
            self.reported = True
            self.slice.put(receipt)

    def settle(self, verdict: Verdict, detail: str) -> None:
        """Report a receipt with this verdict."""
        self.report(Receipt(self.message.id, self.message.attempt, verdict, detail))

    def requeue(self) -> None:
        """Prepare for another connection: forget the replies so far."""
        self.requeued += 1
        self.answered, self.refusal = False, None


@dataclass(eq=False)
class Slice:
    """The messages of one call of `deliver`. withdrawn: the call was cancelled; wanted: how many receipts it awaits.

    may_leave: whether a message was not taken back meanwhile.
    """

    wanted: int
    may_leave: Callable[[Rendered], bool]
    withdrawn: bool = False
    _receipts: deque[Receipt] = field(default_factory=deque)
    _error: Exception | None = None
    _waiter: asyncio.Future[None] | None = None

    def put(self, receipt: Receipt) -> None:
        """Add a message's receipt."""
        self._receipts.append(receipt)
        self._wake()

    def fail(self, error: Exception) -> None:
        """Raise the error in the waiting call: our own code failed, not the server."""
        self._error = error
        self._wake()

    async def receipts(self) -> AsyncIterator[Receipt]:
        """Every receipt as it arrives, until all are there. Raises the error given to `fail`."""
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
    """A slice and its messages as deliveries."""
    together = Slice(len(messages), may_leave(hand_over))
    return together, [Delivery(message, hand_over, together) for message in messages]
