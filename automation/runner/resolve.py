"""Settles a message whose delivery is uncertain, on the word of a person who asked the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.store.ledger import ambiguous

if TYPE_CHECKING:
    from automation.workspace.opened import Opened


def resolve_message(opened: Opened, message_id: str, *, sent: bool, by: str) -> None:
    """Count the message as sent, or queue it again. Raises `StoreError` where it is not ambiguous."""
    with opened.store.transaction() as connection:
        ambiguous.settle_by_hand(connection, message_id, sent=sent, by=by, now=opened.clock.now())
