"""One SMTP conversation after the login: what is written when, so that every message's verdict is certain.

aiosmtplib connects, negotiates TLS and logs in; then this protocol takes over its transport, because a library's
`send_message` does not tell whether the final dot had been handed over when a connection broke (RFC 1047's gap), and
drops answers that come before they are asked for, as they do with pipelining.

Where the server offers PIPELINING (RFC 2920), the commands of the next message ride with the final dot of the last: one
write and one read a message. All of it happens in `heard`: a task and a future a message would cost 60 µs more.
"""

from __future__ import annotations

import asyncio

from automation.types.message import Verdict
from automation_email.delivery import Delivery
from automation_email.line import Line
from automation_email.reply import OUT_OF_TURN, SHUTTING_DOWN, Reply
from automation_email.work import Work

IN_ONE_WRITE = 32 * 1024
"""Up to here a message and its dot are one write; the body of a larger one must have left before its dot is written."""
_DOT = b".\r\n"
_CLOSED = "the connection was closed"


class Session(Line):
    """One logged-in connection. It asks `work` for messages until there are none, and again when told to `proceed`.

    extensions: the server's, in lower case. begun: how many messages it was given so far.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        work: Work,
        *,
        extensions: frozenset[str],
        timeout: float,
        answer_timeout: float,
    ) -> None:
        super().__init__(transport, timeout=timeout, answer_timeout=answer_timeout)
        self.extensions = extensions
        self.begun = 0
        self._work = work
        self._pipelining = "pipelining" in extensions and not work.plain
        self._proven = False  # whether a whole group was answered
        self._offered: Delivery | None = None  # its commands are written
        self._writing: Delivery | None = None  # its body is being written
        self._handed: Delivery | None = None  # its dot is written
        self._quitting: asyncio.Future[None] | None = None

    # What is written

    def proceed(self, ending: bytes = b"", handing: Delivery | None = None) -> None:
        """Write `ending`, and with it what begins the next message; `handing` is handed over by its dot."""
        following = self._next()
        if self.over or (handing and not self._hand_over(handing)):
            if following:
                self._work.again(following, "the connection broke")
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
            self._work.idle(self)

    def _next(self) -> Delivery | None:
        if self.transport.is_closing() and not self._writing:
            self.fail("the connection broke", lost=True)
        return None if self.over or self._quitting else self._work.next(self)

    def _opening(self, mail: bytes, rcpt: bytes) -> bytes:
        if not self._pipelining:
            self.expected.append("MAIL")
            return mail
        self.expected += ("MAIL", "RCPT", "DATA")
        return mail + rcpt + b"DATA\r\n"

    def _send(self, delivery: Delivery) -> None:
        """The body, and the dot as soon as the body has left."""
        assert delivery.envelope is not None
        data = delivery.envelope.data
        self._writing = delivery
        if self.more:
            self.fail("the server spoke out of turn")
        elif len(data) <= IN_ONE_WRITE:
            self._end_message(data)
        else:
            self.write_body(data)

    def body_left(self) -> None:
        self._end_message(b"")

    def _end_message(self, data: bytes) -> None:
        delivery = self._writing
        assert delivery is not None
        if self._pipelining:
            self.proceed(data + _DOT, delivery)
        elif self._hand_over(delivery):
            self.command("DOT", data + _DOT)

    def _hand_over(self, delivery: Delivery) -> bool:
        """From here on the message may arrive, unless nobody waits for it any more."""
        if self.transport.is_closing():
            self.fail("the connection broke", lost=True)
        elif delivery.slice.withdrawn:
            self._writing = None
            self.fail("the message was withdrawn")
        if self.over:
            return False
        self._writing = None
        try:
            delivery.hand_over(delivery.message)
        except Exception as error:
            delivery.slice.fail(error)
            self.fail("the message could not be handed over")
            return False
        self._handed = delivery
        return True

    def _reset(self) -> None:
        """Forget a half transaction before the next one."""
        if self._pipelining:
            self.expected.append("RSET")
            self.proceed(b"RSET\r\n")
        else:
            self.command("RSET", b"RSET\r\n")

    async def quit(self) -> None:
        """Say goodbye, and do not wait long for the answer."""
        if not self.over and not self.expected:
            self._quitting = asyncio.get_running_loop().create_future()
            self.command("QUIT", b"QUIT\r\n")
            try:
                await asyncio.wait([self._quitting], timeout=min(2.0, self._timeout))
            finally:
                self.fail(_CLOSED)

    # What follows from an answer

    def heard(self, verb: str, reply: Reply) -> None:
        if verb in ("MAIL", "RCPT"):
            self._on_envelope(verb, reply)
        elif verb == "DATA":
            self._on_data(reply)
        elif verb == "DOT":
            self._on_message(reply)
        elif verb == "":
            self._on_nothing(reply)
        else:
            self._on_forgotten(verb, reply)

    def _on_envelope(self, verb: str, reply: Reply) -> None:
        delivery = self._offered
        assert delivery is not None
        assert delivery.envelope is not None
        delivery.answered = True
        if not reply.positive and not delivery.refusal:
            delivery.refusal = (verb, reply)
        if not reply.positive and not reply.refusal:
            self.fail(f"unexpected answer to {verb}: {reply.code}")
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
        if self._pipelining and not self._proven and (refusal or ("DATA", reply))[1].code == OUT_OF_TURN:
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
            self.fail(f"unexpected answer to DATA: {reply.code}")

    def _after_refusal(self, reply: Reply) -> None:
        if reply.code == SHUTTING_DOWN:
            self._hang_up(reply)
        elif reply.refusal:
            self._reset()
        else:
            self.fail(f"unexpected answer to DATA: {reply.code}")

    def _on_message(self, reply: Reply) -> None:
        """The final dot's answer. What is neither 2xx nor 4xx nor 5xx settles nothing."""
        delivery = self._handed
        assert delivery is not None
        if reply.positive:
            delivery.report(reply.accepted(delivery.message))
        elif reply.refusal:
            self._refuse(delivery, "DOT", reply)
        else:
            self.fail(f"unexpected answer to the message: {reply.code}")
            return
        self._handed = None
        if reply.code == SHUTTING_DOWN:
            self._hang_up(reply)
        elif not self.expected:
            self.proceed()

    def _on_forgotten(self, verb: str, reply: Reply) -> None:
        """The answer to a lone dot, RSET or QUIT. A server that can't forget is not spoken to any more."""
        if reply.code == SHUTTING_DOWN:
            self._hang_up(reply)
        elif verb == "LONE DOT":
            self._reset()
        elif verb == "QUIT":
            self.fail(_CLOSED)
        elif not reply.positive:
            self._give_back("the server can't forget a refused message")
        elif not self.expected:
            self.proceed()

    def _on_nothing(self, reply: Reply) -> None:
        """While a body is being written a refusal is meant for it; at any other time there is nothing to answer."""
        delivery = self._writing
        if delivery and reply.refusal:
            self._refuse(delivery, "DATA", reply)
        self.fail("the server spoke out of turn")

    # How it ends

    def _refuse(self, delivery: Delivery, verb: str, reply: Reply) -> None:
        delivery.report(reply.refused(delivery.message, verb))

    def _give_back(self, why: str) -> None:
        """End this connection before anything was said about the message that waits on it."""
        offered, self._offered = self._offered, None
        if offered:
            self._work.again(offered, why)
        self.fail(why)

    def _hang_up(self, reply: Reply) -> None:
        """421: what wasn't handed over comes back without having counted."""
        if self._offered:
            self._refuse(self._offered, *(self._offered.refusal or ("MAIL", reply)))
        self.fail(reply.detail)

    def ended(self, why: str, *, lost: bool) -> None:
        """A verdict on what was under way (a receipt that was given already stands).

        A message whose dot was written may have arrived. One that the server had begun to hear may be the reason of the
        end, and counts as tried. One that nobody had looked at goes on over another connection.
        """
        handed, writing, offered = self._handed, self._writing, self._offered
        self._handed = self._writing = self._offered = None
        if handed:
            handed.settle(Verdict.AMBIGUOUS, f"no answer after the final dot: {why}")
        if writing:
            writing.settle(Verdict.RETRY, f"not handed over: {why}")
        if offered and not handed and self._is_about(offered, lost=lost):
            offered.settle(Verdict.RETRY, f"not handed over: {why}")
        elif offered:
            self._work.again(offered, why)
        if self._quitting and not self._quitting.done():
            self._quitting.set_result(None)
        self._work.gone(self)

    def _is_about(self, offered: Delivery, *, lost: bool) -> bool:
        """Whether this end may be the message's own doing, and not that of one before it or of the connection's age."""
        if self._pipelining and offered.answered and not self._proven:
            self._work.plain = True
            return False
        begun = bool(self.expected) and self.expected[0] == "MAIL"
        return offered.answered or (begun and not (lost and self.begun > 1))
