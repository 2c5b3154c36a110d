"""Consents that wait for a confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automation.store.people.consent_requests import ConsentRequestRow, unconfirmed_requests

if TYPE_CHECKING:
    from automation.workspace.opened import OpenedByStatements


def pending_confirmations(opened: OpenedByStatements) -> list[ConsentRequestRow]:
    """Consents that count only after a confirmation that has not come yet."""
    with opened.store.reading() as connection:
        return unconfirmed_requests(connection)
