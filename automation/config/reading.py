"""What the readers of a file share: its source, the known names, and the problems found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from automation.config.problems import KeyPath, Problem, Severity
from automation.config.source_map import SourceMap
from automation.plugin_manager import Registry
from automation.types.grammar import Names


class Broken(Enum):
    """A value whose problem is already reported."""

    VALUE = "broken"


BROKEN: Final[Literal[Broken.VALUE]] = Broken.VALUE


@dataclass(frozen=True)
class Form:
    """One alternative of a field's annotation: the type, and the metadata of its `Annotated`."""

    type: Any
    origin: Any
    metadata: tuple[Any, ...]

    @property
    def names(self) -> Names | None:
        return next((mark for mark in self.metadata if isinstance(mark, Names)), None)


@dataclass
class Reading:
    """One file being read.

    names: the values that a field marked `Names` may have. models: config.yaml's models, name → kind. readers: read the
    types that pydantic must not get as raw YAML.
    """

    source: SourceMap
    registry: Registry
    names: Mapping[str, Collection[str]]
    models: Mapping[str, str]
    readers: Mapping[Any, Reader]
    environment: Mapping[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(
        self, path: KeyPath, what: str, *, key: bool = False, severity: Severity = "error"
    ) -> Literal[Broken.VALUE]:
        self.problems.append(self.source.problem(path, what, key=key, severity=severity))
        return BROKEN


Reader = Callable[[Reading, Form, Any, KeyPath, Mapping[str, Any]], Any]
"""(reading, form, raw value, its path, the mapping it stands in) → the value, or BROKEN after a report."""


def list_forms(annotation: Any, metadata: tuple[Any, ...] = ()) -> Iterator[Form]:
    """The alternatives of an annotation, with unions and `Annotated` resolved."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *marks = get_args(annotation)
        yield from list_forms(base, (*metadata, *marks))
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from list_forms(part, metadata)
    else:
        yield Form(annotation, origin, metadata)


def field_forms(field_info: FieldInfo) -> list[Form]:
    return list(list_forms(field_info.annotation, tuple(field_info.metadata)))


def model_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The model's fields by the keys that a file uses, with forward references resolved."""
    if not model.__pydantic_complete__:
        model.model_rebuild()
    return {info.alias or name: info for name, info in model.model_fields.items()}


def is_model(form: Form) -> bool:
    return isinstance(form.type, type) and issubclass(form.type, BaseModel)


def keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that the mapping at `path` below the model may have; empty if that depends on the value."""
    found: list[Form] = [Form(model, None, ())]
    for part in path:
        found = [deeper for form in found for deeper in _below(form, part)]
    models = [form.type for form in found if is_model(form)]
    if len(models) != 1:
        return []
    return list(model_fields(models[0]))


def _below(form: Form, part: str | int) -> Iterator[Form]:
    if is_model(form):
        if part in model_fields(form.type):
            yield from field_forms(model_fields(form.type)[str(part)])
    elif args := get_args(form.type):
        yield from list_forms(args[-1] if isinstance(part, str) else args[0])
