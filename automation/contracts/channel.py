"""What delivers messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import ClassVar, Protocol, runtime_checkable

from automation.contracts.component import Component
from automation.types.message import Receipt, Rendered

HandOver = Callable[[Rendered], None]
"""Writes down that a message may arrive from now on; takes about 10 µs and never blocks."""


@runtime_checkable
class Channel(Component, Protocol):
    """Delivers messages. `kind` says which address it wants: email, phone, push or customer (the id).

    A channel whose messages never leave this machine has the class attribute `live = False`: it may be used before the
    suppressions of the tool used before were imported.
    """

    kind: ClassVar[str]

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """A small slice whose `sending` is committed: one receipt each, in any order.

        `hand_over(message)` comes right before the instant from which the message may arrive (the final dot, the
        request's body). Without a receipt, a message that was handed over is ambiguous; any other is queued again.
        """
        ...

    async def close(self) -> None: ...


@runtime_checkable
class ResolvingChannel(Channel, Protocol):
    """A channel that can be asked later; used where a campaign says `on_ambiguous: resolve`."""

    async def resolve(self, messages: Sequence[Rendered]) -> Sequence[Receipt]:
        """What became of messages that may have arrived: SENT, FAILED, or RETRY for one that the provider certainly
        never got and that is sent again. Those that it can't tell of are left out."""
        ...
