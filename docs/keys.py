"""The keys of a file and their allowed values in words, read from the models that validate the file."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ByteSize, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from automation.config.entries import ChannelEntry, ModelEntry, OfferEntry
from automation.config.reading import Form, field_forms, is_model, list_forms, model_fields
from automation.config.settings import ModelSettings
from automation.types.channel_settings import ChannelSettings
from automation.types.condition import Audience, Group, Leaf, Where
from automation.types.grammar import Text
from automation.types.offer import Offer
from automation.types.quantity import format_duration
from automation.types.secret import Secret

_LISTS = (tuple, list, set, frozenset, Sequence)
_WRITTEN_AS: Mapping[type, type[BaseModel]] = types.MappingProxyType(
    {Offer: OfferEntry, ModelSettings: ModelEntry, ChannelSettings: ChannelEntry}
)
_SCALARS: Mapping[type, str] = types.MappingProxyType(
    {
        str: "text",
        int: "a whole number",
        float: "a number",
        bool: "`true` or `false`",
        date: "a date, `2026-11-20`",
        Path: "a path",
        Secret: "a secret from the environment, `${NAME}`",
        ByteSize: "a size, `500MB`",
    }
)
_NAMED: Mapping[str, str] = types.MappingProxyType(
    {
        "topics": "a topic",
        "offers": "an offer",
        "channels": "a channel",
        "segments": "a segment",
        "conditions": "a condition",
        "recommenders": "a recommender or model",
        "segmenters": "a segmenter or model",
        "offer_policies": "an offer policy",
        "suppressions": "a suppression",
    }
)


@dataclass(frozen=True)
class Key:
    """One key. `name` is its dotted path; NAME stands for names that people choose.

    meaning: the description in the model, if any.
    """

    name: str
    meaning: str | None
    allowed: str
    default: str


def keys(model: type[BaseModel]) -> Iterator[Key]:
    """The model's keys, each followed by the keys below it; the keys of a model are listed once."""
    return _keys(model, "", set())


def _keys(model: type[BaseModel], above: str, listed: set[type[BaseModel]]) -> Iterator[Key]:
    for key, info in model_fields(model).items():
        name = f"{above}{key}"
        yield Key(name, info.description, allowed(info), default(info))
        for form in field_forms(info):
            below = _written_as(form)
            if below is not None and below not in listed:
                listed.add(below)
                named = "NAME." if form.origin in (dict, Mapping) else ""
                yield from _keys(below, f"{name}.{named}", listed)


def _written_as(form: Form) -> type[BaseModel] | None:
    """The model whose keys are written there, unless it is written as text."""
    inner = _inner(form)
    found = _WRITTEN_AS.get(inner, inner)
    if isinstance(found, type) and issubclass(found, BaseModel) and not hasattr(found, "text_form"):
        return None if issubclass(found, Secret) else found
    return None


def _inner(form: Form) -> Any:
    arguments = get_args(form.type)
    if form.origin in (dict, Mapping) and len(arguments) == 2:
        return next(iter(list_forms(arguments[1]))).type
    if form.origin in _LISTS and arguments:
        return next(iter(list_forms(arguments[0]))).type
    return form.type


def allowed(info: FieldInfo) -> str:
    """The allowed values, in words."""
    return _either(field_forms(info))


def _either(alternatives: list[Form]) -> str:
    said = [_form(form) for form in alternatives if form.type is not type(None)]
    return ", or ".join(dict.fromkeys(said))


def _form(form: Form) -> str:
    example = _example(form)
    if form.type in (Leaf, Group):
        return "a [condition](rules.md)"
    if form.type is Audience:
        return "an audience"
    if form.type is Where:
        return "tests of attributes, as in the rule [`did`](rules.md)"
    if form.names is not None:
        return _NAMED[form.names.what]
    if example is not None:
        return f"such as {example}"
    return _structure(form)


def _example(form: Form) -> str | None:
    """An example that the type itself gives."""
    for mark in form.metadata:
        if isinstance(mark, Text):
            return f"`{mark.example}`"
        if isinstance(mark, WithJsonSchema) and mark.json_schema and "examples" in mark.json_schema:
            return ", ".join(f"`{_yaml(value)}`" for value in mark.json_schema["examples"])
    return None


def _structure(form: Form) -> str:
    arguments = get_args(form.type)
    if form.origin is Literal:
        return ", ".join(f"`{_yaml(value)}`" for value in arguments)
    if form.origin in (dict, Mapping) and len(arguments) == 2:
        return f"by name: {_either(list(list_forms(arguments[1])))}"
    if form.origin in _LISTS and arguments:
        if form.origin is tuple and arguments[-1] is not Ellipsis:
            return f"[{', '.join(_either(list(list_forms(part))) for part in arguments)}]"
        return f"a list: {_either(list(list_forms(arguments[0])))}"
    if is_model(form) or form.type in _WRITTEN_AS:
        return _model(form)
    return _SCALARS.get(form.type, "any value") + _bounds(form)


def _model(form: Form) -> str:
    if form.type is Secret:
        return _SCALARS[Secret]
    text = getattr(form.type, "text_form", None)
    return f"such as `{text.example}`" if isinstance(text, Text) else "keys and values"


def _bounds(form: Form) -> str:
    low = next((mark for mark in form.metadata if isinstance(mark, Ge | Gt)), None)
    high = next((mark for mark in form.metadata if isinstance(mark, Le | Lt)), None)
    said = []
    if low is not None:
        said.append(f"at least {low.ge}" if isinstance(low, Ge) else f"above {low.gt}")
    if high is not None:
        said.append(f"at most {high.le}" if isinstance(high, Le) else f"below {high.lt}")
    return f", {' and '.join(said)}" if said else ""


def default(info: FieldInfo) -> str:
    """The value if the key is absent."""
    if info.is_required():
        return "*required*"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or isinstance(value, BaseModel | Audience) or value in ("", (), {}):
        return ""
    return f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """A value as it is written in a file."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_yaml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(part) for part in value)}]"
    return f"{value:f}" if isinstance(value, Decimal) else str(value).replace("\t", "\\t")
