"""Writes what a tick decided about due messages, and reads a grant again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.errors import StoreError
from automation.store.engine import table
from automation.store.ledger.candidates import GRANT_COLUMNS, make_grant
from automation.store.ledger.settling import release
from automation.store.statements import execute_rows
from automation.store.tables import MessageStatus
from automation.types.grant import Grant
from automation.types.message import MessageState

_status = table(MessageStatus)


@dataclass(frozen=True)
class Outcome:
    """What becomes of due messages; who is in none of the fields stays queued as it is.

    deferred: message id → its new due time in milliseconds. spaced: the same for the minimum gap between two messages
    to a person; their cap entries move along. refused: message id → final state and reason code.
    """

    grants: Sequence[Grant] = ()
    deferred: Mapping[str, int] = field(default_factory=dict)
    spaced: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, tuple[MessageState, str]] = field(default_factory=dict)


def write_outcome(connection: Connection, outcome: Outcome, *, now: datetime) -> None:
    """Apply an outcome: grants are `sending` from the commit on, and what refused messages held is released."""
    at = to_millis(now)
    execute_rows(
        connection, _GRANT, [(grant.worker_id, grant.provider, at, grant.tracked, grant.id) for grant in outcome.grants]
    )
    later = [(due, message) for message, due in (*outcome.deferred.items(), *outcome.spaced.items())]
    execute_rows(connection, "UPDATE message_status SET due_at = ? WHERE message_id = ?", later)
    spaced = [(due, message) for message, due in outcome.spaced.items()]
    execute_rows(connection, "UPDATE cap_entry SET at = ? WHERE message_id = ?", spaced)
    verdicts: dict[tuple[MessageState, str], list[str]] = defaultdict(list)
    for message, verdict in outcome.refused.items():
        verdicts[verdict].append(message)
    for (state, reason), ids in verdicts.items():
        values = {"state": state.value, "reason": reason, "settled_at": at}
        connection.execute(sa.update(_status).where(_status.c.message_id.in_(ids)).values(values))
        release(connection, ids)


def grant_of(connection: Connection, message: str) -> Grant:
    """The last grant of a message, to render it again. Raises `StoreError`."""
    row = connection.execute(_LAST, {"id": message}).one_or_none()
    if row is None or row.granted_at is None:
        raise StoreError(f"message {message!r} " + ("is not in the store" if row is None else "was never sent"))
    grant = make_grant(row, row.attempt, from_millis(row.granted_at))
    return grant._replace(worker_id=row.worker_id or 0, tracked=bool(row.tracked))


_GRANT = (
    "UPDATE message_status SET state = 'sending', attempt = attempt + 1, worker_id = ?, provider = ?, granted_at = ?, "
    "tracked = ? WHERE message_id = ?"
)
_LAST = sa.text(
    f"""
    SELECT {GRANT_COLUMNS}, s.worker_id, s.tracked
    FROM message m JOIN message_status s ON s.message_id = m.id
    JOIN run r ON r.id = m.run_id JOIN decision d ON d.id = m.decision_id
    LEFT JOIN coupon k ON k.message_id = m.id
    WHERE m.id = :id
    """  # noqa: S608
)
