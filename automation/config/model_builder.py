"""Builds frozen models from a file's plain values, from the inside out, so that one mistake gives one problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ValidationError

from automation.config.problems import KeyPath, list_choices, unknown_name
from automation.config.reading import BROKEN, Broken, Form, Reading, field_forms, is_model, list_forms, model_fields
from automation.config.wording import explain_errors, show_value
from automation.types.secret import VARIABLE

M = TypeVar("M", bound=BaseModel)
_LISTS = (tuple, list, set, frozenset, Sequence)
_MAPPINGS = (dict, Mapping)
_NOUNS = {
    "topics": "topic",
    "offers": "offer",
    "channels": "channel",
    "segments": "segment",
    "conditions": "condition",
}
_SCALARS: dict[type, tuple[tuple[type, ...], str]] = {
    str: ((str,), "must be text; put it in quotes"),
    int: ((int,), "must be a whole number"),
    float: ((int, float), "must be a number"),
    bool: ((bool,), "must be true or false"),
    date: ((str, date), "must be a date; write 2026-11-20"),
}


def build_model(reading: Reading, model: type[M], raw: Any, path: KeyPath) -> M | Broken:
    """The model of a mapping; problems are reported."""
    keys = model_fields(model)
    if not isinstance(raw, dict):
        return reading.report(path, f"must be keys and values: {list_choices(keys)}")
    children: dict[str, Any] = {}
    broken: set[str] = set()
    takes_options = False
    for key, value in raw.items():
        info = keys.get(key)
        if info is None:
            continue
        takes_options |= key == "using" and any(form.type in reading.readers for form in field_forms(info))
        child = read_value(reading, field_forms(info), value, (*path, key), raw)
        if child is BROKEN:
            broken.add(key)
        else:
            children[key] = child
    known = set(keys) | ({"options"} if takes_options or "options" in broken else set())
    extras = {key: value for key, value in raw.items() if key not in known}
    try:
        made = model.model_validate({**children, **extras}, by_alias=True, by_name=False)
    except ValidationError as error:
        for below, (what, at_key) in explain_errors(error, raw, model).items():
            if (below[:1] and below[0] in broken) or (broken and not below):
                continue
            reading.report((*path, *below), what, key=at_key)
        return BROKEN
    return BROKEN if broken else made


def read_value(reading: Reading, alternatives: list[Form], raw: Any, path: KeyPath, parent: Mapping[str, Any]) -> Any:
    """One value by its annotation: builds conditions, components, secrets and models, and checks other values."""
    if is_unusable(reading, raw, path):
        return BROKEN
    for form in alternatives:
        if form.type in reading.readers and not _is_model(alternatives, raw):
            return reading.readers[form.type](reading, form, raw, path, parent)
    models = [form for form in alternatives if is_model(form)]
    if len(models) == 1 and isinstance(raw, dict) and not _has_own_parser(models[0]):
        return _made(reading, models[0].type, raw, path)
    if any(_has_own_parser(form) for form in alternatives):
        return raw
    if len(models) == 1 and _only(alternatives, 1):
        return _made(reading, models[0].type, raw, path)
    return _collection(reading, alternatives, raw, path)


def is_unusable(reading: Reading, raw: Any, path: KeyPath) -> bool:
    """Whether the value is missing or already has a problem."""
    if raw is None and path in reading.source.empty:
        reading.report(path, "has no value; write one, or remove the key", key=True)
        return True
    return path in reading.source.spoiled


def _has_own_parser(form: Form) -> bool:
    return any(isinstance(mark, BeforeValidator) for mark in form.metadata)


def _only(alternatives: list[Form], number: int) -> bool:
    return sum(form.type is not type(None) for form in alternatives) == number


def _is_model(alternatives: list[Form], raw: Any) -> bool:
    """Whether the keys of a mapping show that it is the alternative that is a model."""
    return isinstance(raw, dict) and any(
        is_model(form) and set(raw) == set(model_fields(form.type)) for form in alternatives
    )


def _made(reading: Reading, model: type[BaseModel], raw: Any, path: KeyPath) -> Any:
    from_text = getattr(model, "from_text", None)
    if isinstance(raw, str) and from_text is not None:
        try:
            return from_text(raw)
        except ValueError as error:
            return reading.report(path, str(error))
    return build_model(reading, model, raw, path)


def _collection(reading: Reading, alternatives: list[Form], raw: Any, path: KeyPath) -> Any:
    for form in alternatives:
        if form.origin in _LISTS and isinstance(raw, list):
            return _each(reading, form, raw, path)
        if form.origin in _MAPPINGS and isinstance(raw, dict):
            return _values(reading, form, raw, path)
    if _only(alternatives, 1) and raw is not None:
        form = next(form for form in alternatives if form.type is not type(None))
        if form.origin in _LISTS:
            example = raw if isinstance(raw, str) else "one, two"
            return reading.report(path, f"must be a list; write [{example}]")
        if form.origin in _MAPPINGS:
            return reading.report(path, "must be keys and values")
    return _scalar(reading, alternatives, raw, path)


def _each(reading: Reading, form: Form, raw: list[Any], path: KeyPath) -> Any:
    types = get_args(form.type) or (Any,)
    fixed = form.origin is tuple and types[-1] is not Ellipsis and len(types) == len(raw)
    items = [list(list_forms(types[number if fixed else 0])) for number in range(len(raw))]
    made = [read_value(reading, items[number], value, (*path, number), {}) for number, value in enumerate(raw)]
    return BROKEN if any(value is BROKEN for value in made) else made


def _values(reading: Reading, form: Form, raw: dict[str, Any], path: KeyPath) -> Any:
    value_type = get_args(form.type)[1] if get_args(form.type) else Any
    value_forms = list(list_forms(value_type))
    made = {key: read_value(reading, value_forms, value, (*path, key), raw) for key, value in raw.items()}
    return BROKEN if any(value is BROKEN for value in made.values()) else made


def _scalar(reading: Reading, alternatives: list[Form], raw: Any, path: KeyPath) -> Any:
    if isinstance(raw, str) and VARIABLE.fullmatch(raw) and all(form.type is not Any for form in alternatives):
        return reading.report(path, f"{raw} is only for secrets; write the value itself")
    mismatch = _mismatch(alternatives, raw)
    if mismatch:
        return reading.report(path, mismatch)
    for form in alternatives:
        if form.names is not None and isinstance(raw, str):
            known = reading.names.get(form.names.what, ())
            if raw not in known:
                return reading.report(path, unknown_name(_NOUNS.get(form.names.what, form.names.what), raw, known))
    return raw


def _mismatch(alternatives: list[Form], raw: Any) -> str | None:
    """What is wrong with the value's YAML type; pydantic alone would accept `true` as 1 and a number as a date."""
    wanted = [form for form in alternatives if form.type is not type(None)]
    if raw is None or any(
        form.type not in _SCALARS or any(isinstance(mark, BeforeValidator) for mark in form.metadata) for form in wanted
    ):
        return None
    for form in wanted:
        accepted, _ = _SCALARS[form.type]
        if isinstance(raw, accepted) and (form.type is bool or not isinstance(raw, bool)):
            return None
    return (
        f"{show_value(raw)} {_SCALARS[wanted[0].type][1]}"
        if not isinstance(raw, dict | list)
        else _SCALARS[wanted[0].type][1]
    )
