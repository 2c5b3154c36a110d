"""Text that every store and file can hold: without NUL, and without halves of a UTF-16 pair (lone surrogates).

SQLite keeps a NUL and PostgreSQL refuses it; neither, nor any file in UTF-8, can hold a lone surrogate. So both are
removed, or the text is refused, where it enters: the same on every database.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pydantic import JsonValue

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether the text has neither NUL nor a lone surrogate."""
    return "\x00" not in text and (text.isascii() or _UNSTORABLE.search(text) is None)


def storable(text: str) -> str:
    """The text without NUL and lone surrogates."""
    return text if is_storable(text) else _UNSTORABLE.sub("", text)


def storable_values(value: JsonValue) -> JsonValue:
    """A JSON value whose texts and names have neither NUL nor lone surrogates."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_values(part) for part in value]
    if isinstance(value, dict):
        return cast("JsonValue", {storable(name): storable_values(part) for name, part in value.items()})
    return value
