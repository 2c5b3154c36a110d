"""Reads a value by its path in a JSON document."""

from __future__ import annotations

from pydantic import JsonValue


def read_json_path(value: JsonValue, path: str) -> str | None:
    """The value at a dotted path, with list items counted from 0 (`messages.0.status`), as text; None if missing.

    Numbers and Booleans are returned as JSON writes them. Objects, lists and null count as missing.
    """
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
