"""Placeholders, such as `{to}`, in the configured request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from pydantic import JsonValue

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def find_placeholders(value: JsonValue) -> Iterator[str]:
    """The names of all placeholders in a text, or in the strings of a JSON value."""
    if isinstance(value, str):
        yield from _PLACEHOLDER.findall(value)
    elif isinstance(value, dict):
        for part in value.values():
            yield from find_placeholders(part)
    elif isinstance(value, list):
        for part in value:
            yield from find_placeholders(part)


def fill_placeholders(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """The text with every placeholder replaced by its escaped value. Placeholders inside a value are not replaced."""
    return _PLACEHOLDER.sub(lambda match: escape(values[match[1]]), text)


def fill_json_placeholders(value: JsonValue, values: Mapping[str, str]) -> JsonValue:
    """A JSON value with the placeholders in its strings replaced; keys are not changed."""
    if isinstance(value, str):
        return fill_placeholders(value, values)
    if isinstance(value, dict):
        return {name: fill_json_placeholders(part, values) for name, part in value.items()}
    return [fill_json_placeholders(part, values) for part in value] if isinstance(value, list) else value
