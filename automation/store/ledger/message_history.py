"""Message history: everything that was decided about one person and sent to them, across their ids and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis
from automation.store.engine import table
from automation.store.ledger import decisions
from automation.store.ledger.decisions import DecisionRow
from automation.store.ledger.earlier_sends import IMPORTED
from automation.store.tables import CapEntry

_cap_entry = table(CapEntry)


@dataclass(frozen=True)
class ImportedSend:
    """A message that the tool used before sent."""

    at: datetime
    customer_id: str
    address: str
    channel: str
    campaign: str


@dataclass(frozen=True)
class MessageHistory:
    """The oldest first. decisions: each with its message, where it has one. imported: sends of the tool used before."""

    decisions: Sequence[DecisionRow]
    imported: Sequence[ImportedSend]

    @property
    def customer_ids(self) -> list[str]:
        return [*(send.customer_id for send in self.imported), *(row.customer_id for row in self.decisions)]


def read_history(connection: Connection, ids: Sequence[str], recipients: Sequence[str]) -> MessageHistory:
    """Of these customer ids, and to these addresses (normalised)."""
    imported = (
        sa.select(_cap_entry)
        .where(
            _cap_entry.c.message_id.startswith(IMPORTED),
            sa.or_(_cap_entry.c.customer_id.in_(ids), _cap_entry.c.recipient.in_(recipients)),
        )
        .order_by(_cap_entry.c.at)
    )
    return MessageHistory(
        decisions.find_of_person(connection, ids, recipients),
        [
            ImportedSend(from_millis(row.at), row.customer_id, row.recipient, row.channel, row.campaign)
            for row in connection.execute(imported)
        ],
    )
