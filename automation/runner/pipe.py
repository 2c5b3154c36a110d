"""What the committer and its workers say to each other: JSON lists, each with its length before it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from automation.clock import from_millis, to_millis
from automation.types.grant import Grant

_LENGTH = 4


def frame(kind: str, *content: object) -> bytes:
    data = json.dumps([kind, *content], separators=(",", ":")).encode()
    return len(data).to_bytes(_LENGTH, "big") + data


async def next_frame(reader: asyncio.StreamReader) -> list[Any]:
    """Raises `IncompleteReadError` when the other side is gone."""
    length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
    found: list[Any] = json.loads(await reader.readexactly(length))
    return found


def pack_grants(grants: Sequence[Grant]) -> list[object]:
    """Instants as milliseconds; 2 µs each."""
    return [grant._replace(due_at=_millis(grant.due_at), granted_at=_millis(grant.granted_at)) for grant in grants]


def unpack_grants(packed: Sequence[Sequence[Any]]) -> list[Grant]:
    made = (Grant(*values) for values in packed)
    return [grant._replace(due_at=_instant(grant.due_at), granted_at=_instant(grant.granted_at)) for grant in made]


def _millis(at: datetime) -> Any:
    return to_millis(at)


def _instant(millis: Any) -> datetime:
    return from_millis(millis)
