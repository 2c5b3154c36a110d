"""The connections of one channel: which of them sends what, and when another one is opened."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from automation.types.message import Verdict
from automation_email.delivery import Delivery
from automation_email.session import Session
from automation_email.work import Work

Connect = Callable[[Work], Awaitable[Session]]
"""Opens a connection and logs in. Raises `Unreachable`."""
Prepare = Callable[[Delivery, frozenset[str]], bool]
"""Makes the envelope for a server with these extensions; False where the message got its receipt instead."""

_PATIENCE = 30.0
"""Seconds for which no further connection is tried after the server took no more."""
_TWICE = 2


class Unreachable(ConnectionError):
    """No connection could be opened. The text is fit for a receipt."""


class Pool:
    """At most `size` connections, each renewed after `share` messages; messages of all slices wait in one line."""

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
        """Put messages at the end of the line and set connections to work."""
        self._waiting.extend(deliveries)
        self._fill()

    async def close(self) -> None:
        """Say goodbye on every idle connection, and cut the others."""
        idle, self._idle = self._idle, []
        for session in self._live - set(idle):
            session.fail("the channel was closed")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(session.quit() for session in idle), *self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes the sockets

    # What a session asks and tells: `Work`

    def next(self, session: Session) -> Delivery | None:
        while self._waiting and session.begun < self._share:
            delivery = self._waiting.popleft()
            if delivery.slice.withdrawn:
                continue
            try:
                if delivery.envelope or self._prepare(delivery, session.extensions):
                    return delivery
            except Exception as error:
                delivery.slice.fail(error)
        return None

    def idle(self, session: Session) -> None:
        if session.begun >= self._share:
            self._live.discard(session)
            self._start(session.quit())
        else:
            self._idle.append(session)
        if self._waiting:
            self._loop.call_soon(self._fill)

    def again(self, delivery: Delivery, why: str) -> None:
        delivery.again()
        if delivery.taken_back > _TWICE:
            delivery.settle(Verdict.RETURNED, f"not handed over: {why}")
        else:
            self._waiting.appendleft(delivery)
            self._loop.call_soon(self._fill)

    def gone(self, session: Session) -> None:
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
        except Exception as error:  # ours, not the server's: whoever waits is told
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
        """Those that are open go on alone for a while; with none open, nothing of what waits can leave."""
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
