"""What a session and the pool of its kind say to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from automation_email.delivery import Delivery

if TYPE_CHECKING:
    from automation_email.session import Session


class Work(Protocol):
    """Where a session gets its messages from, and what it says of itself.

    plain: commands go out one by one, whatever the server offers; set when it did not understand its own offer.
    """

    plain: bool

    def next(self, session: Session) -> Delivery | None:
        """The next message, its envelope made; None when there is none that this session may send."""
        ...

    def idle(self, session: Session) -> None: ...

    def again(self, delivery: Delivery, why: str) -> None:
        """A message about which nothing was said on a connection that is no more."""
        ...

    def gone(self, session: Session) -> None: ...
