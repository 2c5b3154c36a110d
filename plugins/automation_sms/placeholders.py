"""`{to}` and its like in a request that options describe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from pydantic import JsonValue

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def placeholders(value: JsonValue) -> Iterator[str]:
    """The names of every placeholder in a text, or in the texts of a JSON value."""
    if isinstance(value, str):
        yield from _PLACEHOLDER.findall(value)
    elif isinstance(value, dict):
        for part in value.values():
            yield from placeholders(part)
    elif isinstance(value, list):
        for part in value:
            yield from placeholders(part)


def fill(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """The text with every placeholder replaced, each value escaped. What values hold is not looked at again."""
    return _PLACEHOLDER.sub(lambda found: escape(values[found[1]]), text)


def fill_json(value: JsonValue, values: Mapping[str, str]) -> JsonValue:
    """A JSON value with the placeholders of its texts replaced; names of members stay as they are."""
    if isinstance(value, str):
        return fill(value, values)
    if isinstance(value, dict):
        return {name: fill_json(part, values) for name, part in value.items()}
    return [fill_json(part, values) for part in value] if isinstance(value, list) else value


def find(value: JsonValue, path: str) -> str | None:
    """What stands at a dotted path, list items by their number from 0 (`messages.0.status`); None where nothing does.

    Numbers and Booleans as they stand in JSON.
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
