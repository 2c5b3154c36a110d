"""Requested consents, as `double_opt_in` keeps them, for what only lists them."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are ours)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from automation.clock import from_millis
from automation.store.statements import Connection, execute, places

OPEN = ("pending", "asked")
"""The states in which a request can still be confirmed."""


@dataclass(frozen=True)
class ConsentRequestRow:
    """One requested consent; `message_id` is the message that asks the owner of the address to confirm it."""

    id: int
    customer_id: str
    channel: str
    topic: str
    address: str
    language: str
    requested_at: datetime
    source: str
    method: str
    text_version: str
    state: str
    message_id: str | None
    settled_at: datetime | None
    recipient: str
    asked_at: datetime | None


def unconfirmed_requests(connection: Connection) -> list[ConsentRequestRow]:
    """Every request that is not confirmed yet or could not be sent, the oldest first."""
    wanted = (*OPEN, "refused")
    query = f"SELECT {', '.join(_COLUMNS)} FROM consent_request WHERE state IN ({places(wanted)}) ORDER BY id"
    return [request_row(dict(zip(_COLUMNS, row, strict=True))) for row in execute(connection, query, *wanted)]


def request_row(values: Mapping[str, Any]) -> ConsentRequestRow:
    """values: of every column."""
    instants = {name: values[name] for name in ("requested_at", "settled_at", "asked_at")}
    read = {name: None if millis is None else from_millis(millis) for name, millis in instants.items()}
    return ConsentRequestRow(**{**values, **read})


_COLUMNS = tuple(field.name for field in fields(ConsentRequestRow))
