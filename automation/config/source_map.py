"""A YAML file as dicts, lists and scalars, with the line and column of every key and value, and every problem."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from automation.config.plain_file import open_plain
from automation.config.problems import KeyPath, Place, Problem, Severity, spell_path
from automation.config.yaml_nodes import COLLECTION, PLAIN, TEXT, RefusedDocument, compose, place_of, scalar_value
from automation.config.yaml_traps import Trap, cut_by_comment, decimal_comma, explain_syntax, nested_braces, scalar_trap

MAX_BYTES = 1_000_000
MAX_VALUES = 50_000


@dataclass(frozen=True)
class SourceMap:
    """A file's values and their places.

    empty: keys written without a value. spoiled: values that already have a problem reported.
    """

    file: str
    value: Any = None
    values: Mapping[KeyPath, Place] = field(default_factory=dict)
    keys: Mapping[KeyPath, Place] = field(default_factory=dict)
    empty: frozenset[KeyPath] = frozenset()
    spoiled: frozenset[KeyPath] = frozenset()
    problems: tuple[Problem, ...] = ()

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """Where the value at `path` (or its key) is written; if it isn't, where its parent's key is."""
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
        return Problem(self.file, place.line, place.column, spell_path(path), what, severity)

    def path_of(self, spelled: str) -> KeyPath:
        """The path that is spelled `audience.all[2]`; the top of the file if there is none."""
        return next((path for path in self.values if spell_path(path) == spelled), ())

    def get(self, path: KeyPath) -> Any:
        """The value at `path`, or None."""
        value = self.value
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def read_file(path: Path, file: str, *, named: bool = False) -> tuple[str, SourceMap]:
    """A file's text and its source map, with the problems of both.

    file: its path in the project, in which it must lie. named: a person named the file, so it may lie anywhere.
    """
    root = None if named else path.parents[file.count("/")]
    try:
        with open_plain(path, root) as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return "", _refusal(file, Place(1, 1), f"can't be read: {_lowered(error.strerror or 'unknown error')}")
    if len(data) > MAX_BYTES:
        return "", _refusal(file, Place(1, 1), "the file is over 1 MB, more than a project's file may be")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        what = f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        return "", _refusal(file, _place_at(before, len(before)), what)
    return text, read_source(text, file)


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def read_source(text: str, file: str) -> SourceMap:
    """The source map of a text. Never raises, whatever the text contains."""
    text = text.removeprefix("\ufeff")
    lines = text.splitlines()
    try:
        node = compose(text)
    except yaml.reader.ReaderError as error:
        what = f"the character U+{error.character:04X} is not allowed in YAML; remove it"
        return _refusal(file, _place_at(text, error.position), what)
    except RefusedDocument as error:
        return _refusal(file, error.place, error.what)
    except yaml.MarkedYAMLError as error:
        place, what = explain_syntax(error, lines)
        return _refusal(file, place, what)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return _refusal(file, Place(1, 1), f"can't be read as YAML: {error}")
    if node is None:
        return _refusal(file, Place(1, 1), "the file is empty")
    return _Conversion(file, lines).source(node)


def _refusal(file: str, place: Place, what: str) -> SourceMap:
    return SourceMap(file, problems=(Problem(file, place.line, place.column, "", what),))


def _place_at(text: str, position: int) -> Place:
    before = text[:position]
    return Place(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


class _Conversion:
    """Converts the YAML nodes of one file to values, in one walk."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self.file = file
        self.lines = lines
        self.values: dict[KeyPath, Place] = {}
        self.keys: dict[KeyPath, Place] = {}
        self.empty: set[KeyPath] = set()
        self.spoiled: set[KeyPath] = set()
        self.problems: list[Problem] = []
        self.open: set[int] = set()

    def source(self, node: yaml.Node) -> SourceMap:
        try:
            value = self.convert(node, ())
        except RefusedDocument as error:
            return _refusal(self.file, error.place, error.what)
        if not isinstance(value, dict) and not self.problems:
            self.report((), place_of(node.start_mark), "the file must hold keys and values (`name: winback`)")
        return SourceMap(
            self.file,
            value if isinstance(value, dict) else None,
            self.values,
            self.keys,
            frozenset(self.empty),
            frozenset(self.spoiled),
            tuple(self.problems),
        )

    def report(self, path: KeyPath, place: Place, what: str) -> None:
        self.problems.append(Problem(self.file, place.line, place.column, spell_path(path), what))
        self.spoiled.add(path)

    def convert(self, node: yaml.Node, path: KeyPath) -> Any:
        place = place_of(node.start_mark)
        self.values[path] = place
        if len(self.values) > MAX_VALUES:
            raise RefusedDocument(place, f"aliases expand this to more than {MAX_VALUES} values; write the values out")
        if node.tag not in (PLAIN, TEXT, COLLECTION):
            self.report(path, place, "tags such as `!!str` or `!name` are not used here; remove it")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if id(node) in self.open:
            raise RefusedDocument(place, "the alias is inside the value that it refers to")
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
                self.report(path, place_of(key.start_mark), "`<<` is not part of YAML 1.2; write the keys out")
                continue
            if key.value in values or here in self.keys:
                first = self.keys[here].line
                self.report(here, place_of(key.start_mark), f"the key is already written in line {first}")
                continue
            self.keys[here] = place_of(key.start_mark)
            values[key.value] = self.convert(value, here)
            if swallowed:
                self.report(here, swallowed.place, swallowed.what)
        return values

    def entries(
        self, node: yaml.MappingNode, path: KeyPath
    ) -> Iterator[tuple[yaml.ScalarNode, yaml.Node, Trap | None]]:
        """Each key and value; and the trap, if a decimal comma made the rest of a number look like the next key."""
        pairs = list(node.value)
        while pairs:
            key, value = pairs.pop(0)
            if not isinstance(key, yaml.ScalarNode):
                self.report(path, place_of(key.start_mark), "a key must be a plain word")
                continue
            trap = decimal_comma(value, pairs[0], self.lines) if pairs else None
            if trap:
                pairs.pop(0)
            yield key, value, trap

    def scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        trap = scalar_trap(node, self.lines) or cut_by_comment(node, self.lines, plain=node.tag == PLAIN)
        if trap:
            self.report(path, trap.place, trap.what)
            return None
        if node.tag == TEXT:
            return node.value
        if node.value == "":
            self.empty.add(path)
        value = scalar_value(node.value)
        if isinstance(value, float) and not math.isfinite(value):
            self.report(path, place_of(node.start_mark), f"{node.value} is not a usable number")
            return None
        return value
