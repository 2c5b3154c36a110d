"""What a session needs from the pool: its next message, and where to report its own state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from automation_email.delivery import Delivery

if TYPE_CHECKING:
    from automation_email.session import Session


class MessageQueue(Protocol):
    """Where sessions take their messages from.

    plain: no pipelining, whatever the server offers; set after the server failed at its own offer.
    """

    plain: bool

    def next(self, session: Session) -> Delivery | None:
        """The next message that the session may send, with its envelope; None where there is none."""
        ...

    def idle(self, session: Session) -> None:
        """The session has nothing to send."""
        ...

    def requeue(self, delivery: Delivery, why: str) -> None:
        """Send a message over another connection: its own ended before the server read the message."""
        ...

    def remove(self, session: Session) -> None:
        """The session's connection has ended."""
        ...
