"""The connections of one channel: which one sends which message, and when another one is opened."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from automation.types.message import Verdict
from automation_email.delivery import WITHDRAWN, Delivery
from automation_email.queue import MessageQueue
from automation_email.session import Session

Connect = Callable[[MessageQueue], Awaitable[Session]]
"""Opens a connection and logs in. Raises `Unreachable`."""
Prepare = Callable[[Delivery, frozenset[str]], bool]
"""Makes the envelope for a server with these extensions; False if the message already has its receipt."""

_PATIENCE = 30.0
"""Seconds without a new connection after the server refused one."""
_MOST_REQUEUES = 2


class Unreachable(ConnectionError):
    """No connection could be opened. The text may stand in a receipt."""


class Pool:
    """At most `size` connections, each replaced after `share` messages; all messages wait in one queue."""

    def __init__(self, connect: Connect, prepare: Prepare, *, size: int, share: int) -> None:
        self.plain = False
        self._connect = connect
        self._prepare = prepare
        self._size = size
        self._share = share
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Delivery] = deque()
        self._idle: list[Session] = []
        self._live: set[Session] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = 0
        self._full_until = 0.0

    def submit(self, deliveries: Iterable[Delivery]) -> None:
        """Add messages to the end of the queue and start connections."""
        self._waiting.extend(deliveries)
        self._fill()

    async def close(self) -> None:
        """Send QUIT on every idle connection, and abort the others."""
        idle, self._idle = self._idle, []
        for session in self._live - set(idle):
            session.fail("the channel was closed")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(session.quit() for session in idle), *self._tasks, return_exceptions=True)
        for session in list(self._live):  # a connection that was just open: its task ended before it was cancelled
            session.fail("the channel was closed")
        await asyncio.sleep(0)  # the loop closes the sockets

    # `MessageQueue`, as sessions use it

    def next(self, session: Session) -> Delivery | None:
        """The next message that the session may send, with its envelope; None where there is none."""
        while self._waiting and session.begun < self._share:
            delivery = self._waiting.popleft()
            if delivery.slice.withdrawn:
                continue
            if not delivery.slice.may_leave(delivery.message):
                delivery.settle(Verdict.RETURNED, WITHDRAWN)
                continue
            try:
                if delivery.envelope or self._prepare(delivery, session.extensions):
                    return delivery
            except Exception as error:
                delivery.slice.fail(error)
        return None

    def idle(self, session: Session) -> None:
        """Keep the session for later messages, or close it after its share of messages."""
        if session.begun >= self._share:
            self._live.discard(session)
            self._start(session.quit())
        else:
            self._idle.append(session)
        if self._waiting:
            self._loop.call_soon(self._fill)

    def requeue(self, delivery: Delivery, why: str) -> None:
        """Send the message over another connection; after two of these it is RETURNED."""
        delivery.requeue()
        if delivery.requeued > _MOST_REQUEUES:
            delivery.settle(Verdict.RETURNED, f"not handed over: {why}")
        else:
            self._waiting.appendleft(delivery)
            self._loop.call_soon(self._fill)

    def remove(self, session: Session) -> None:
        """Forget a session whose connection has ended."""
        self._live.discard(session)
        if session in self._idle:
            self._idle.remove(session)
        if self._waiting:
            self._loop.call_soon(self._fill)

    # Opening

    def _fill(self) -> None:
        while self._waiting and self._idle:
            self._idle.pop().proceed()
        while len(self._waiting) > self._opening and self._may_open():
            self._opening += 1
            self._start(self._open())

    def _may_open(self) -> bool:
        open_now = len(self._live) + self._opening
        return open_now < self._size and (open_now == 0 or self._loop.time() >= self._full_until)

    async def _open(self) -> None:
        try:
            session = await self._connect(self)
        except Unreachable as error:
            self._opening -= 1
            self._refused(str(error))
        except Exception as error:  # our own error, not the server's: raised in the waiting calls
            self._opening -= 1
            for delivery in self._waiting:
                delivery.slice.fail(error)
            self._waiting.clear()
        except BaseException:
            self._opening -= 1
            raise
        else:
            self._opening -= 1
            self._live.add(session)
            session.proceed()

    def _refused(self, why: str) -> None:
        """Continue with the open connections for a while; with none open, the waiting messages are RETURNED."""
        if self._live or self._opening:
            self._full_until = self._loop.time() + _PATIENCE
            return
        waiting, self._waiting = self._waiting, deque()
        for delivery in waiting:
            delivery.settle(Verdict.RETURNED, f"not handed over: {why}")

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
