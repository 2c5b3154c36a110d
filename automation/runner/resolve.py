"""Settles a message whose delivery is uncertain, on the word of a person who asked the provider."""

from __future__ import annotations

from automation.store.ledger import ambiguous
from automation.workspace.workspace import Workspace


def resolve_message(workspace: Workspace, message_id: str, *, sent: bool, by: str) -> None:
    """Count the message as sent, or queue it again. Raises `StoreError` where it is not ambiguous."""
    with workspace.store.transaction() as connection:
        ambiguous.settle_by_hand(connection, message_id, sent=sent, by=by, now=workspace.clock.now())
