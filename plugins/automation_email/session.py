"""One SMTP conversation after the login, written so that the verdict of every message is certain.

aiosmtplib connects, negotiates TLS and logs in; then this protocol takes over its transport, because a library's
`send_message` does not tell whether the final dot was handed over before a connection broke (RFC 1047), and drops
replies that arrive before they are awaited, as they do with pipelining.

Where the server offers PIPELINING (RFC 2920), the commands of the next message are sent with the final dot of the last:
one write and one read a message. Everything happens in `on_reply`: a task and a future a message would cost 60 µs more.
"""

from __future__ import annotations

import asyncio

from automation.contracts import Withdrawn
from automation.types.message import Verdict
from automation_email.connection import Connection
from automation_email.delivery import WITHDRAWN, Delivery
from automation_email.queue import MessageQueue
from automation_email.reply import BAD_SEQUENCE, SHUTTING_DOWN, Reply

IN_ONE_WRITE = 32 * 1024
"""Up to this size a message and its dot are one write; a larger body must have been sent before its dot is written."""
_DOT = b".\r\n"
_CLOSED = "the connection was closed"


class Session(Connection):
    """One logged-in connection. It takes messages from the queue until there are none, and again after `proceed`.

    extensions: the server's, in lower case. begun: how many messages it has begun so far.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        queue: MessageQueue,
        *,
        extensions: frozenset[str],
        timeout: float,
        response_timeout: float,
    ) -> None:
        super().__init__(transport, timeout=timeout, response_timeout=response_timeout)
        self.extensions = extensions
        self.begun = 0
        self._queue = queue
        self._pipelining = "pipelining" in extensions and not queue.plain
        self._proven = False  # whether a whole pipelined group was answered
        self._offered: Delivery | None = None  # its commands are written
        self._writing: Delivery | None = None  # its body is being written
        self._handed: Delivery | None = None  # its dot is written
        self._quitting: asyncio.Future[None] | None = None

    # What is written

    def proceed(self, ending: bytes = b"", handing: Delivery | None = None) -> None:
        """Write `ending` together with the commands of the next message; its dot hands `handing` over."""
        following = self._next()
        if self.over or (handing and not self._hand_over(handing)):
            if following:
                self._queue.requeue(following, "the connection was lost")
            return
        if handing:
            self.expected.append("DOT")
        if following and following.envelope:
            self.begun += 1
            self._offered = following
            ending += self._opening(following.envelope.mail, following.envelope.rcpt)
        if ending:
            self.transport.write(ending)
        self.watch()
        if not self.expected:
            self._queue.idle(self)

    def _next(self) -> Delivery | None:
        if self.transport.is_closing() and not self._writing:
            self.fail("the connection was lost", lost=True)
        return None if self.over or self._quitting else self._queue.next(self)

    def _opening(self, mail: bytes, rcpt: bytes) -> bytes:
        if not self._pipelining:
            self.expected.append("MAIL")
            return mail
        self.expected += ("MAIL", "RCPT", "DATA")
        return mail + rcpt + b"DATA\r\n"

    def _send(self, delivery: Delivery) -> None:
        """Write the body, and the dot once the body was sent."""
        assert delivery.envelope is not None
        data = delivery.envelope.data
        self._writing = delivery
        if self.more:
            self.fail("the server sent an unexpected reply")
        elif len(data) <= IN_ONE_WRITE:
            self._end_message(data)
        else:
            self.write_body(data)

    def on_body_sent(self) -> None:
        """Write the dot."""
        self._end_message(b"")

    def _end_message(self, data: bytes) -> None:
        delivery = self._writing
        assert delivery is not None
        if self._pipelining:
            self.proceed(data + _DOT, delivery)
        elif self._hand_over(delivery):
            self.command("DOT", data + _DOT)

    def _hand_over(self, delivery: Delivery) -> bool:
        """Record that the message may arrive from now on; False where it must not be sent any more."""
        if self.transport.is_closing():
            self.fail("the connection was lost", lost=True)
        elif delivery.slice.withdrawn:
            self._writing = None
            self.fail(WITHDRAWN)
        if self.over:
            return False
        self._writing = None
        try:
            delivery.hand_over(delivery.message)
        except Withdrawn:  # the server waits for the message, and only a closed connection ends that
            delivery.settle(Verdict.RETURNED, WITHDRAWN)
            self.fail(WITHDRAWN)
            return False
        except Exception as error:
            delivery.slice.fail(error)
            self.fail("the message could not be handed over")
            return False
        self._handed = delivery
        return True

    def _reset(self) -> None:
        """Reset a refused transaction before the next one."""
        if self._pipelining:
            self.expected.append("RSET")
            self.proceed(b"RSET\r\n")
        else:
            self.command("RSET", b"RSET\r\n")

    async def quit(self) -> None:
        """Send QUIT, and wait at most 2 seconds for the reply."""
        if not self.over and not self.expected:
            self._quitting = asyncio.get_running_loop().create_future()
            self.command("QUIT", b"QUIT\r\n")
            try:
                await asyncio.wait([self._quitting], timeout=min(2.0, self._timeout))
            finally:
                self.fail(_CLOSED)

    # Handling replies

    def on_reply(self, verb: str, reply: Reply) -> None:
        """Continue the conversation after the reply to `verb`."""
        if verb in ("MAIL", "RCPT"):
            self._on_envelope(verb, reply)
        elif verb == "DATA":
            self._on_data(reply)
        elif verb == "DOT":
            self._on_message(reply)
        elif verb == "":
            self._on_unexpected(reply)
        else:
            self._on_reset(verb, reply)

    def _on_envelope(self, verb: str, reply: Reply) -> None:
        delivery = self._offered
        assert delivery is not None
        assert delivery.envelope is not None
        delivery.answered = True
        if not reply.positive and not delivery.refusal:
            delivery.refusal = (verb, reply)
        if not reply.positive and not reply.refusal:
            self.fail(f"unexpected reply to {verb}: {reply.code}")
        elif reply.code == SHUTTING_DOWN:
            self._hang_up(reply)
        elif self._pipelining:
            return
        elif delivery.refusal:
            self._refuse(delivery, *delivery.refusal)
            self._offered = None
            self._reset()
        elif verb == "MAIL":
            self.command("RCPT", delivery.envelope.rcpt)
        else:
            self.command("DATA", b"DATA\r\n")

    def _on_data(self, reply: Reply) -> None:
        delivery, self._offered = self._offered, None
        assert delivery is not None
        refusal = delivery.refusal
        if self._pipelining and not self._proven and (refusal or ("DATA", reply))[1].code == BAD_SEQUENCE:
            self._offered = delivery
            self.fail("the server refused pipelining")
            return
        self._proven = True
        if reply.code == 354 and not refusal:
            self._send(delivery)
        elif reply.code == 354 and refusal and refusal[0] == "RCPT":
            self._refuse(delivery, *refusal)
            self.command("LONE DOT", _DOT)  # an empty message without recipients, which the server must refuse
        elif refusal or reply.refusal:
            self._refuse(delivery, *(refusal or ("DATA", reply)))
            self._after_refusal(reply)
        else:
            self._offered = delivery
            self.fail(f"unexpected reply to DATA: {reply.code}")

    def _after_refusal(self, reply: Reply) -> None:
        if reply.code == SHUTTING_DOWN:
            self._hang_up(reply)
        elif reply.refusal:
            self._reset()
        else:
            self.fail(f"unexpected reply to DATA: {reply.code}")

    def _on_message(self, reply: Reply) -> None:
        """The reply to the final dot. Anything but 2xx, 4xx and 5xx leaves the message ambiguous."""
        delivery = self._handed
        assert delivery is not None
        if reply.positive:
            delivery.report(reply.accepted(delivery.message))
        elif reply.refusal:
            self._refuse(delivery, "DOT", reply)
        else:
            self.fail(f"unexpected reply to the message: {reply.code}")
            return
        self._handed = None
        if reply.code == SHUTTING_DOWN:
            self._hang_up(reply)
        elif not self.expected:
            self.proceed()

    def _on_reset(self, verb: str, reply: Reply) -> None:
        """The reply to a lone dot, RSET or QUIT. A connection that can't be reset is closed."""
        if reply.code == SHUTTING_DOWN:
            self._hang_up(reply)
        elif verb == "LONE DOT":
            self._reset()
        elif verb == "QUIT":
            self.fail(_CLOSED)
        elif not reply.positive:
            self._return_offered("the server can't reset a refused message")
        elif not self.expected:
            self.proceed()

    def _on_unexpected(self, reply: Reply) -> None:
        """A reply to no command: while a body is being written, a refusal is meant for it."""
        delivery = self._writing
        if delivery and reply.refusal:
            self._refuse(delivery, "DATA", reply)
        self.fail("the server sent an unexpected reply")

    # Ending

    def _refuse(self, delivery: Delivery, verb: str, reply: Reply) -> None:
        delivery.report(reply.refused(delivery.message, verb))

    def _return_offered(self, why: str) -> None:
        """End the connection; the message that waits on it goes to another one."""
        offered, self._offered = self._offered, None
        if offered:
            self._queue.requeue(offered, why)
        self.fail(why)

    def _hang_up(self, reply: Reply) -> None:
        """421: a message that was not handed over is RETURNED."""
        if self._offered:
            self._refuse(self._offered, *(self._offered.refusal or ("MAIL", reply)))
        self.fail(reply.detail)

    def on_end(self, why: str, *, lost: bool) -> None:
        """Settle the messages in progress; a receipt that was already given stands.

        A message whose dot was written may have arrived: AMBIGUOUS. One that the server had begun to read may be the
        cause of the end: RETRY. One that the server had not looked at goes to another connection.
        """
        handed, writing, offered = self._handed, self._writing, self._offered
        self._handed = self._writing = self._offered = None
        if handed:
            handed.settle(Verdict.AMBIGUOUS, f"no reply after the final dot: {why}")
        if writing:
            writing.settle(Verdict.RETRY, f"not handed over: {why}")
        if offered and not handed and self._is_about(offered, lost=lost):
            offered.settle(Verdict.RETRY, f"not handed over: {why}")
        elif offered:
            self._queue.requeue(offered, why)
        if self._quitting and not self._quitting.done():
            self._quitting.set_result(None)
        self._queue.remove(self)

    def _is_about(self, offered: Delivery, *, lost: bool) -> bool:
        """Whether the message itself may have caused the end, not an earlier one nor the connection's age."""
        if self._pipelining and offered.answered and not self._proven:
            self._queue.plain = True
            return False
        begun = bool(self.expected) and self.expected[0] == "MAIL"
        return offered.answered or (begun and not (lost and self.begun > 1))
