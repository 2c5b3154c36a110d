"""Delivering messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import ClassVar, Protocol, runtime_checkable

from automation.contracts.component import Component
from automation.types.message import Receipt, Rendered

HandOver = Callable[[Rendered], None]
"""Records that a message may arrive from now on; takes about 10 µs and never blocks.

Raises `Withdrawn` where the message was taken back since it was granted.
"""


class Withdrawn(Exception):
    """The message must not leave: its recipient unsubscribed, or its campaign was stopped. Leave it out and go on; it
    needs no receipt."""


@runtime_checkable
class KnowsWithdrawn(Protocol):
    """What the daemon passes as `hand_over`."""

    def __call__(self, message: Rendered) -> None: ...

    def may_leave(self, message: Rendered) -> bool:
        """Whether the message was not taken back."""
        ...


def may_leave(hand_over: HandOver) -> Callable[[Rendered], bool]:
    """The question whether a message may still leave, for channels that keep messages waiting for a connection.

    Where the answer is no, leave the message out, as after `Withdrawn`.
    """
    return hand_over.may_leave if isinstance(hand_over, KnowsWithdrawn) else lambda _message: True


@runtime_checkable
class Channel(Component, Protocol):
    """Delivers messages. `kind` says which address it needs: email, phone, push or customer (the customer's id)."""

    kind: ClassVar[str]

    def deliver(self, messages: Sequence[Rendered], hand_over: HandOver) -> AsyncIterator[Receipt]:
        """Deliver messages whose state `sending` is already committed; yield one receipt for each, in any order.

        Call `hand_over(message)` immediately before the message may arrive (the final dot of SMTP, the body of a
        request); if it raises `Withdrawn`, leave this message out and go on with the others. A message without a
        receipt is ambiguous if it was handed over; otherwise it is queued again.
        """
        ...

    async def close(self) -> None:
        """Close connections. May be called twice, and before the first delivery."""
        ...


@runtime_checkable
class ResolvingChannel(Channel, Protocol):
    """Optional: a channel that can look up messages later; used where a campaign says `on_ambiguous: resolve`."""

    async def resolve(self, messages: Sequence[Rendered]) -> Sequence[Receipt]:
        """The outcome of messages that may have arrived: SENT, FAILED, or RETRY (the provider certainly never received
        the message, and it is sent again). Leave out messages whose outcome is unknown."""
        ...


@runtime_checkable
class DeclaresLive(Channel, Protocol):
    """Optional: a channel that states whether its messages leave this machine; without `live` they do.

    A channel with `live = False` may send before the suppression list of the previous tool is imported.
    """

    live: ClassVar[bool]


def is_live(channel: object) -> bool:
    """Whether messages of the channel (its class or an instance) leave this machine."""
    return channel.live if isinstance(channel, DeclaresLive) else True
