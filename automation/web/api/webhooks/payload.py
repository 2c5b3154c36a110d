"""Reads the fields of what a shop or provider sent; nothing about its shape is taken for granted."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

_TOO_LARGE = Decimal(10) ** 15
_MESSAGE_ID = re.compile(r"<?\s*([0-9a-f]{32})(?:@[^<>\s]{1,255})?\s*>?", re.ASCII)


def read_field(document: Any, *path: str) -> Any:
    """The value at the path of nested objects; None if there is none."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def read_text(document: Any, *path: str, longest: int = 200) -> str:
    """The text or number at the path without NUL characters, cut to `longest` characters; "" if there is none."""
    value = read_field(document, *path)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).replace("\0", "")[:longest]


def read_list(document: Any, *path: str) -> list[Any]:
    """The list at the path, cut to 1,000 items; empty if there is none."""
    value = read_field(document, *path)
    return value[:1_000] if isinstance(value, list) else []


def parse_message_id(value: object) -> str:
    """The id of a message of ours in a Message-ID header or in a field that we set; "" if there is none."""
    match = _MESSAGE_ID.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    return match[1] if match else ""


def parse_decimal(written: str) -> Decimal:
    """The number; 0 for what is none, or none that an amount or a quantity can be."""
    try:
        found = Decimal(written or "0")
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() and abs(found) < _TOO_LARGE else Decimal(0)


def parse_time(value: object) -> datetime | None:
    """Seconds since 1970, or ISO 8601 (UTC if it names no zone); None for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
