"""Calls of webhooks that count once: whoever repeats one changes nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.store.engine import table
from automation.store.tables import WebhookCall

_call = table(WebhookCall)


def use_up(connection: Connection, key: str, *, now: datetime, valid_for: timedelta | None) -> bool:
    """Note a call, in the transaction that does what it says; returns whether it is the first of its key.

    valid_for: how long its proof is accepted, and so how long it must be known; None: for ever.
    """
    connection.execute(sa.delete(_call).where(_call.c.expires_at < to_millis(now)))
    expires_at = None if valid_for is None else to_millis(now + valid_for)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = dialect.insert(_call).values(key=key, expires_at=expires_at).on_conflict_do_nothing()
    return connection.execute(made).rowcount == 1
