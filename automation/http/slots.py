"""Limits how many requests run at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass
class Slots:
    """A semaphore that can be used in one event loop after another, since each `asyncio.run` makes a new one."""

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
