"""YAML 1.2 core to dicts, lists and scalars, never another Python object, with the place of every key and value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from automation.config.problems import KeyPath, Place, Problem, Severity, spell
from automation.config.yaml_traps import Trap, cut_by_comment, decimal_comma, explain_syntax, nested_braces, scalar_trap

MAX_BYTES = 1_000_000
MAX_ALIASES = 100
MAX_DEPTH = 40
MAX_VALUES = 50_000

_PLAIN, _TEXT, _COLLECTION = "plain", "text", "collection"
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class Source:
    """A file's values and where they stand.

    `empty` are the keys written without a value, `spoiled` the values that already have a problem of their own.
    """

    file: str
    value: Any = None
    values: Mapping[KeyPath, Place] = field(default_factory=dict)
    keys: Mapping[KeyPath, Place] = field(default_factory=dict)
    empty: frozenset[KeyPath] = frozenset()
    spoiled: frozenset[KeyPath] = frozenset()
    problems: tuple[Problem, ...] = ()

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """Where the value at `path` (or its key) is written; of what isn't written, where its parent's key is."""
        if key and path in self.keys:
            return self.keys[path]
        if path in self.values:
            return self.values[path]
        while path:
            path = path[:-1]
            if path in self.keys:
                return self.keys[path]
        return self.values.get((), Place(1, 1))

    def problem(self, path: KeyPath, what: str, *, key: bool = False, severity: Severity = "error") -> Problem:
        place = self.place(path, key=key)
        return Problem(self.file, place.line, place.column, spell(path), what, severity)

    def path_of(self, spelled: str) -> KeyPath:
        """The path that reads `audience.all[2]`; the top where there is none."""
        return next((path for path in self.values if spell(path) == spelled), ())

    def get(self, path: KeyPath) -> Any:
        """The value at `path`, None where there is none."""
        value = self.value
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def read_file(path: Path, file: str) -> tuple[str, Source]:
    """A file's text and its source map; whatever is wrong is in the map's problems."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return "", _refusal(file, Place(1, 1), f"can't be read: {(error.strerror or 'unknown error').lower()}")
    if len(data) > MAX_BYTES:
        return "", _refusal(file, Place(1, 1), "the file is over 1 MB; a project's files are written by people")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        what = f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return "", _refusal(file, _place_at(before, len(before)), what)
    return text, read_source(text, file)


def read_source(text: str, file: str) -> Source:
    """Plain values, every place, every problem; never raises for anything written in the text."""
    text = text.removeprefix("\ufeff")
    lines = text.splitlines()
    try:
        node = _compose(text)
    except yaml.reader.ReaderError as error:
        what = f"the character U+{error.character:04X} can't stand in YAML; remove it"
        return _refusal(file, _place_at(text, error.position), what)
    except _Refused as error:
        return _refusal(file, error.place, error.what)
    except yaml.MarkedYAMLError as error:
        place, what = explain_syntax(error, lines)
        return _refusal(file, place, what)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return _refusal(file, Place(1, 1), f"can't be read as YAML: {error}")
    if node is None:
        return _refusal(file, Place(1, 1), "the file is empty")
    return _Conversion(file, lines).source(node)


def _refusal(file: str, place: Place, what: str) -> Source:
    return Source(file, problems=(Problem(file, place.line, place.column, "", what),))


def _place_at(text: str, position: int) -> Place:
    before = text[:position]
    return Place(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


class _Refused(Exception):
    """A document beyond a cap."""

    def __init__(self, place: Place, what: str) -> None:
        super().__init__(what)
        self.place = place
        self.what = what


class _Loader(yaml.SafeLoader):
    """Composes nodes without YAML 1.1's guesses; the tag says only whether a scalar was plain."""

    depth = 0
    aliases = 0

    def here(self) -> Place:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        assert event.start_mark is not None
        return _place(event.start_mark)

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return _COLLECTION
        return _PLAIN if implicit[0] else _TEXT

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        place = self.here()
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise _Refused(place, f"more than {MAX_ALIASES} aliases (*name); write the values out")
        if self.depth >= MAX_DEPTH:
            raise _Refused(place, f"nested deeper than {MAX_DEPTH} levels")
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        if not loader.check_node():
            return None
        node: yaml.Node | None = loader.get_node()
        if loader.check_node():
            raise _Refused(loader.here(), "a second document starts here (`---`); one file holds one document")
        return node
    finally:
        loader.dispose()


class _Conversion:
    """One walk over the nodes of one file."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self.file = file
        self.lines = lines
        self.values: dict[KeyPath, Place] = {}
        self.keys: dict[KeyPath, Place] = {}
        self.empty: set[KeyPath] = set()
        self.spoiled: set[KeyPath] = set()
        self.problems: list[Problem] = []
        self.open: set[int] = set()

    def source(self, node: yaml.Node) -> Source:
        try:
            value = self.convert(node, ())
        except _Refused as error:
            return _refusal(self.file, error.place, error.what)
        if not isinstance(value, dict) and not self.problems:
            self.report((), _place(node.start_mark), "the file must hold keys and values (`name: winback`)")
        return Source(
            self.file,
            value if isinstance(value, dict) else None,
            self.values,
            self.keys,
            frozenset(self.empty),
            frozenset(self.spoiled),
            tuple(self.problems),
        )

    def report(self, path: KeyPath, place: Place, what: str) -> None:
        self.problems.append(Problem(self.file, place.line, place.column, spell(path), what))
        self.spoiled.add(path)

    def convert(self, node: yaml.Node, path: KeyPath) -> Any:
        place = _place(node.start_mark)
        self.values[path] = place
        if len(self.values) > MAX_VALUES:
            raise _Refused(place, f"aliases make this more than {MAX_VALUES} values; write the values out")
        if node.tag not in (_PLAIN, _TEXT, _COLLECTION):
            self.report(path, place, "tags such as `!!str` or `!name` are not used here; remove it")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if id(node) in self.open:
            raise _Refused(place, "an alias stands inside the value that it repeats")
        self.open.add(id(node))
        assert isinstance(node, yaml.MappingNode | yaml.SequenceNode)
        value = self.mapping(node, path) if isinstance(node, yaml.MappingNode) else self.sequence(node, path)
        self.open.discard(id(node))
        return value

    def sequence(self, node: yaml.SequenceNode, path: KeyPath) -> list[Any]:
        return [self.convert(item, (*path, number)) for number, item in enumerate(node.value)]

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        trap = nested_braces(node, self.lines)
        if trap:
            self.report(path, trap.place, trap.what)
            return {}
        values: dict[str, Any] = {}
        for key, value, swallowed in self.entries(node, path):
            here = (*path, key.value)
            if key.value == "<<":
                self.report(path, _place(key.start_mark), "`<<` is not part of YAML 1.2; write the keys out")
                continue
            if key.value in values or here in self.keys:
                first = self.keys[here].line
                self.report(here, _place(key.start_mark), f"the key is already written in line {first}")
                continue
            self.keys[here] = _place(key.start_mark)
            values[key.value] = self.convert(value, here)
            if swallowed:
                self.report(here, swallowed.place, swallowed.what)
        return values

    def entries(
        self, node: yaml.MappingNode, path: KeyPath
    ) -> Iterator[tuple[yaml.ScalarNode, yaml.Node, Trap | None]]:
        """Key, value, and the trap that swallowed the next key, which is left out then."""
        pairs = list(node.value)
        while pairs:
            key, value = pairs.pop(0)
            if not isinstance(key, yaml.ScalarNode):
                self.report(path, _place(key.start_mark), "a key must be a plain word")
                continue
            trap = decimal_comma(value, pairs[0], self.lines) if pairs else None
            if trap:
                pairs.pop(0)
            yield key, value, trap

    def scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        trap = scalar_trap(node, self.lines) or cut_by_comment(node, self.lines, plain=node.tag == _PLAIN)
        if trap:
            self.report(path, trap.place, trap.what)
            return None
        if node.tag == _TEXT:
            return node.value
        if node.value == "":
            self.empty.add(path)
        value = _resolve(node.value)
        if isinstance(value, float) and not math.isfinite(value):
            self.report(path, _place(node.start_mark), f"{node.value} is not a usable number")
            return None
        return value


def _resolve(text: str) -> Any:
    """YAML 1.2's core schema: `NO`, `on`, `22:30` and dates are text."""
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
