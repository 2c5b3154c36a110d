"""Frames between the committer and its workers: JSON lists, each after its length."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from automation.clock import from_millis, to_millis
from automation.types.grant import Grant

_LENGTH = 4


def encode_frame(kind: str, *content: object) -> bytes:
    data = json.dumps([kind, *content], separators=(",", ":")).encode()
    return len(data).to_bytes(_LENGTH, "big") + data


async def read_frame(reader: asyncio.StreamReader) -> list[Any]:
    """The content of the next frame. Raises `IncompleteReadError` when the other side is gone."""
    length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
    found: list[Any] = json.loads(await reader.readexactly(length))
    return found


def pack_grants(grants: Sequence[Grant]) -> list[object]:
    """Instants as milliseconds; 2 µs each."""
    return [_with_instants(grant, to_millis) for grant in grants]


def unpack_grants(packed: Sequence[Sequence[Any]]) -> list[Grant]:
    return [Grant(*_with_instants(values, from_millis)) for values in packed]


_INSTANTS = [Grant._fields.index(name) for name in ("due_at", "granted_at")]


def _with_instants(values: Iterable[Any], become: Callable[[Any], object]) -> list[Any]:
    found = list(values)
    for place in _INSTANTS:
        found[place] = become(found[place])
    return found
