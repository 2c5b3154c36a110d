"""Building blocks of a JSON Schema."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

from annotated_types import MaxLen, MinLen

from automation.config.reading import Form
from automation.types.grammar import Text

Json = dict[str, Any]


def closed_object(properties: Json, required: Iterable[str] = ()) -> Json:
    schema: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def any_of(parts: Sequence[Json]) -> Json:
    unique = [part for number, part in enumerate(parts) if part not in parts[:number]]
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def described(schema: Json, subject: Any) -> Json:
    line = (inspect.cleandoc(subject.__doc__ or "").split("\n\n")[0]).replace("\n", " ")
    return {**schema, "description": line} if line else schema


def all_of(schemas: Sequence[Json]) -> Json:
    """Empty without schemas, since the dialect refuses an empty list."""
    return {"allOf": list(schemas)} if schemas else {}


def when(test: Json, then: Json) -> Json:
    return {"if": test, "then": then}


def pattern(text: Text) -> Json:
    return {"type": "string", "pattern": text.pattern, "examples": [text.example]}


def lengths(form: Form, of: str = "Items") -> Json:
    bounds: Json = {}
    for mark in form.metadata:
        if isinstance(mark, MinLen):
            bounds[f"min{of}"] = mark.min_length
        elif isinstance(mark, MaxLen):
            bounds[f"max{of}"] = mark.max_length
    return bounds
