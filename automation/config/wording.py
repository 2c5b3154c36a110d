"""Pydantic's errors as the texts that this project shows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from automation.config.problems import KeyPath, did_you_mean, list_choices, near_miss
from automation.config.reading import keys_at

_RANK = ("value_error", "literal_error", "enum")
_SIMPLE = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "finite_number": "must be a number that can be used",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list; write [one, two]",
    "tuple_type": "must be a list; write [one, two]",
    "dict_type": "must be keys and values",
    "mapping_type": "must be keys and values",
    "model_type": "must be keys and values",
    "string_type": "must be text; put it in quotes",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least {}"),
    "greater_than": ("gt", "must be more than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "less_than": ("lt", "must be less than {}"),
    "multiple_of": ("multiple_of", "must be a multiple of {}"),
    "too_short": ("min_length", "needs at least {} of them"),
    "too_long": ("max_length", "takes at most {} of them"),
    "string_too_short": ("min_length", "must have at least {} characters"),
    "string_too_long": ("max_length", "must have at most {} characters"),
    "string_pattern_mismatch": ("pattern", "does not look right; it must match {}"),
}


def explain_errors(error: ValidationError, raw: Any, model: type[BaseModel]) -> dict[KeyPath, tuple[str, bool]]:
    """One text for each wrong place below the value, and whether it is about the key itself."""
    chosen: dict[KeyPath, ErrorDetails] = {}
    for detail in error.errors(include_url=False):
        path = _existing(detail, raw)
        if path not in chosen or _rank(detail) < _rank(chosen[path]):
            chosen[path] = detail
    unknown = [path[-1] for path, detail in chosen.items() if detail["type"] == "extra_forbidden"]
    return {
        path: _describe(path, detail, keys_at(model, path[:-1]), raw)
        for path, detail in chosen.items()
        if not (detail["type"] == "missing" and any(near_miss(word, [str(path[-1])]) for word in unknown))
    }


def _existing(detail: ErrorDetails, raw: Any) -> KeyPath:
    """The error's location as far as it exists in the file: pydantic adds the names of a union's members."""
    path: list[str | int] = []
    value = raw
    for part in detail["loc"]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            if detail["type"] == "missing" and part == detail["loc"][-1]:
                path.append(part)
            break
        path.append(part)
    return tuple(path)


def _rank(detail: ErrorDetails) -> int:
    return _RANK.index(detail["type"]) if detail["type"] in _RANK else len(_RANK)


def _describe(path: KeyPath, detail: ErrorDetails, keys: Collection[str], raw: Any) -> tuple[str, bool]:
    if detail["type"] == "extra_forbidden":
        for part in path[:-1]:
            raw = raw[part]
        free = [key for key in keys if key not in raw]
        allowed = f"; allowed: {list_choices(keys)}" if keys else ""
        return f"unknown key{allowed}{did_you_mean(path[-1], free)}", True
    return _text(detail), detail["type"] == "missing"


def _text(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind == "literal_error":
        choices = [choice.strip("'") for choice in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return f"{show_value(detail['input'])} is not allowed; allowed: {list_choices(choices)}" + did_you_mean(
            detail["input"], choices
        )
    if kind.startswith("date"):
        return f"{show_value(detail['input'])} is not a date; write 2026-11-20"
    if kind in _BOUNDS:
        bound, text = _BOUNDS[kind]
        return text.format(context[bound])
    return _SIMPLE.get(kind) or detail["msg"][:1].lower() + detail["msg"][1:]


def show_value(value: object) -> str:
    """A value as it would be in the file, shortened to 80 characters."""
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if isinstance(value, bool | None) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
