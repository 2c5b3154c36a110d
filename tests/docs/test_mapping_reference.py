"""The reference of mappings: every key that the reader accepts and no other, each with an example that it accepts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from support.pages import ROOT

from automation.errors import ConfigurationError
from automation.warehouse.importing.mapping import _KEYS, PRESETS, load_mapping, parse_mapping

PAGE = (ROOT / "docs/reference/mapping.md").read_text()
BASES: tuple[dict[str, Any], ...] = (
    {"table": "events", "columns": {"customer_id": "a", "type": "b", "occurred_at": "c"}},
    {"table": "customers", "columns": {"customer_id": "a", "points": "p"}},
    {"table": "suppressions", "columns": {"address": "a"}},
)


def _sections() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The tables of the page by their headings, each row's key and example."""
    parts = re.split(r"^## `(.+)`\n", PAGE.partition("## The tables")[0], flags=re.M)
    for title, text in zip(["", *parts[1::2]], parts[::2], strict=True):
        rows = re.findall(r"^\| `([\w.]+)` \|.*\| `(.+)` \|$", text, flags=re.M)
        yield title, [(key, example.replace("\\|", "|")) for key, example in rows]


SECTIONS = dict(_sections())


def _accepted(title: str, example: str) -> list[Any]:
    """The mappings that the example makes of each base that the reader accepts it in."""
    found: list[Any] = []
    refused = ""
    for base in BASES:
        written = yaml.safe_load(example)
        if title.startswith("columns"):
            whole = {**base, "columns": {**base["columns"], **written}}
        elif title == "skip":
            whole = {**base, "skip": [written]}
        elif "mappings" in written:
            whole = written
        else:
            whole = {**base, **written, "columns": {**base["columns"], **written.get("columns", {})}}
        try:
            found += parse_mapping(yaml.safe_dump(whole, allow_unicode=True), "example").mappings
        except ConfigurationError as error:
            refused = str(error)
    assert found, f"{example}: {refused}"
    return found


@pytest.mark.parametrize(("title", "key", "example"), [(t, *row) for t, rows in SECTIONS.items() for row in rows])
def test_the_reader_accepts_the_example_and_it_has_the_key(title: str, key: str, example: str) -> None:
    _accepted(title, example)
    last = key.rpartition(".")[2]
    assert last == "TOPIC" or re.search(rf"\b{last}:", example) or (last == "column" and title == "columns.NAME")


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "": lambda word: {word: 0},
    "columns.NAME": lambda word: {"columns": {"customer_id": {"column": "a", word: 0}}},
    "skip": lambda word: {"skip": [{"column": "a", word: 0}]},
    "fill_down": lambda word: {"fill_down": {word: 0}},
    "items": lambda word: {"items": {word: 0}},
    "discounts": lambda word: {"discounts": {word: 0}},
    "consent": lambda word: {"consent": {"source": "x", "email": {"letters": {"column": "a", word: 0}}}},
}
NOT_KEYS = {"always", "channels", "is_", "in_", "name", "target", "placeholders"}
"""Words of the code, of channels and of other tools."""


@pytest.mark.parametrize("title", PLACES)
def test_the_page_has_every_key_that_the_reader_accepts_and_no_other(title: str) -> None:
    """Every key of any part is tried in this one."""
    shown = {key.rpartition(".")[2] for key, _ in SECTIONS[title]} - {"TOPIC", "mappings"}
    accepted = {word for word in {*_KEYS, *NOT_KEYS} if not _unknown(PLACES[title](word), word)}
    assert accepted == (shown - {"source"} if title == "consent" else shown)


def _unknown(part: dict[str, Any], word: str) -> bool:
    try:
        parse_mapping(yaml.safe_dump({**BASES[1], **part}), "probe")
    except ConfigurationError as error:
        return f"the key {word!r} is not known here" in str(error) or "write granted, refused or" in str(error)
    return False


def test_the_page_has_every_part() -> None:
    assert list(SECTIONS) == list(PLACES)


def test_presets_use_only_keys_of_the_page() -> None:
    """Which the reader guarantees; so the page shows them whole, and each can be copied into a file."""
    for name in PRESETS:
        (shown,) = re.findall(rf"^### `{name}`\n\n```yaml\n(.*?)^```$", PAGE, flags=re.M | re.S)
        assert parse_mapping(shown, name).in_zone("UTC") == load_mapping(name)
