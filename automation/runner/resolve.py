"""Settles messages whose delivery is uncertain, on the word of a person who asked the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.store import runs
from automation.store.ledger import ambiguous

if TYPE_CHECKING:
    from automation.workspace.opened import OpenedByStatements


def resolve_message(opened: OpenedByStatements, message_id: str, *, sent: bool, by: str) -> None:
    """Count the message as sent, or queue it again. Raises `StoreError` where it is not ambiguous."""
    with opened.store.transaction() as connection:
        ambiguous.settle_by_hand(connection, message_id, sent=sent, by=by, now=opened.clock.now())


def resolve_run(opened: OpenedByStatements, run_id: int, *, sent: bool, by: str) -> int:
    """Count every ambiguous message of a run as sent, or queue them again; returns how many. A run that had ended goes
    on. Raises `StoreError` for an unknown run."""
    with opened.store.transaction() as connection:
        runs.get(connection, run_id)
        return ambiguous.settle_run_by_hand(connection, run_id, sent=sent, by=by, now=opened.clock.now())
