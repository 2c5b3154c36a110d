"""So many at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass
class Slots:
    """A semaphore that follows its channel from one event loop to the next, as `asyncio.run` makes one each time."""

    count: int
    _slots: asyncio.Semaphore | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        if self._slots is None or self._loop is not loop:
            self._slots, self._loop = asyncio.Semaphore(self.count), loop
        await self._slots.acquire()

    async def __aexit__(self, *_: object) -> None:
        assert self._slots is not None
        self._slots.release()
