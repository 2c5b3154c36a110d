"""YAML 1.2 nodes and scalars, with limits on depth and aliases, and without Python objects."""

from __future__ import annotations

import re
from typing import Any

import yaml

from automation.config.problems import Place
from automation.types.text import is_storable

MAX_ALIASES = 100
MAX_DEPTH = 40

PLAIN, TEXT, COLLECTION = "plain", "text", "collection"
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")


def place_of(mark: Any) -> Place:
    """A parser's mark, counted from 1."""
    return Place(mark.line + 1, mark.column + 1)


class RefusedDocument(Exception):
    """A document that goes beyond a limit, or a second one in the file."""

    def __init__(self, place: Place, what: str) -> None:
        super().__init__(what)
        self.place = place
        self.what = what


class _Loader(yaml.SafeLoader):
    """Composes nodes without guessing types as YAML 1.1 does; a tag only says whether a scalar was plain."""

    depth = 0
    aliases = 0

    def here(self) -> Place:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        assert event.start_mark is not None
        return place_of(event.start_mark)

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return COLLECTION
        return PLAIN if implicit[0] else TEXT

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        place = self.here()
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise RefusedDocument(place, f"more than {MAX_ALIASES} aliases (*name); write the values out")
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.ScalarEvent) and not is_storable(event.value):
            raise RefusedDocument(place, "a text with \\0, or with half of a character such as \\ud800; remove it")
        if self.depth >= MAX_DEPTH:
            raise RefusedDocument(place, f"nested deeper than {MAX_DEPTH} levels")
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def compose(text: str) -> yaml.Node | None:
    """The one document of a text; None for an empty text. Raises `RefusedDocument` and `yaml.YAMLError`."""
    loader = _Loader(text)
    try:
        if not loader.check_node():
            return None
        node: yaml.Node | None = loader.get_node()
        if loader.check_node():
            raise RefusedDocument(loader.here(), "a second document starts here (`---`); one file holds one document")
        return node
    finally:
        loader.dispose()


def scalar_value(text: str) -> Any:
    """The value of a plain scalar by YAML 1.2's core schema: `NO`, `on`, `22:30` and dates are text."""
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= 30:
        if _INTEGER.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text
