"""Limits how many requests run concurrently."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass
class ConcurrencyLimit:
    """A semaphore that survives its event loop: each `asyncio.run` makes a new loop, so the semaphore is renewed."""

    limit: int
    _semaphore: asyncio.Semaphore | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        if self._semaphore is None or self._loop is not loop:
            self._semaphore, self._loop = asyncio.Semaphore(self.limit), loop
        await self._semaphore.acquire()

    async def __aexit__(self, *_: object) -> None:
        assert self._semaphore is not None
        self._semaphore.release()
