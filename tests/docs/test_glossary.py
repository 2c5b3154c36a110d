"""One word for one thing: the glossary against the tables of the store, the YAML keys, the names in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from sqlmodel import SQLModel

from automation.config.settings import Settings
from automation.store import tables
from automation.types.campaign import Campaign

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text()


def rows(text: str) -> list[tuple[str, str]]:
    """The first two cells of every table, heads and lines left out."""
    found = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [(cells[0].strip(), cells[1].strip()) for cells in found if cells[1].strip() not in ("meaning", "but")]


IN_USE, _, NOT_IN_USE = PAGE.partition("\n## Words not used\n")
WORDS = {word.strip() for words, _ in rows(IN_USE) for word in words.split(",")}
RETIRED = {word.strip().replace(" ", "_") for words, _ in rows(NOT_IN_USE) for word in words.split(",")}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for area in ("automation", "plugins"):
        for path in sorted((ROOT / area).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def public_names() -> Iterator[tuple[str, str]]:
    """Every file, and every class, function and parameter of one that is public."""
    for file, tree in modules():
        yield file, Path(file).stem
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                yield file, node.name


def parts(name: str) -> list[str]:
    """`RateLane` and `rate_lane` are both rate, lane."""
    whole = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return whole.replace("flight_recorder", "recorder").split("_")  # a term of its own


@pytest.mark.parametrize("name", sorted(table.name for table in SQLModel.metadata.sorted_tables))
def test_every_table_is_a_word_of_the_glossary(name: str) -> None:
    assert tables.__name__
    assert name.replace("_", " ") in WORDS


def test_no_name_is_a_word_that_is_not_used() -> None:
    assert sorted({(file, name) for file, name in public_names() if forms(name) & RETIRED}) == []


def forms(name: str) -> set[str]:
    """The name's words, and each two of them that follow each other; the singular of a plural too."""
    single = parts(name)
    pairs = [f"{first}_{second}" for first, second in pairwise(single)]
    return {form for part in (*single, *pairs) for form in (part, part.removesuffix("s"))}


def test_no_key_of_the_files_is_a_word_that_is_not_used() -> None:
    keys = {key for model in (Campaign, Settings) for key in keys_of(model)}
    assert {"offer", "audience", "caps", "channels"} <= keys
    assert not {key for key in keys if forms(key) & RETIRED}


def keys_of(model: Any) -> Iterator[str]:
    """Every key of a grammar, and of the grammars within it."""
    waiting, seen = [model], set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        fields = getattr(current, "model_fields", None) or getattr(current, "__dataclass_fields__", {})
        yield from (name.removesuffix("_") for name in fields)
        hints = get_type_hints(current) if fields else {}
        waiting += [inner for hint in hints.values() for inner in classes(hint)]


def classes(hint: Any) -> Iterator[Any]:
    if isinstance(hint, type) and (hasattr(hint, "model_fields") or hasattr(hint, "__dataclass_fields__")):
        yield hint
    for inner in get_args(hint):
        yield from classes(inner)


@pytest.mark.parametrize("page", sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")))
def test_no_page_writes_one_of_them_as_code(page: str) -> None:
    """In prose most of them are ordinary words."""
    if page == "docs/glossary.md":
        return
    code = re.findall(r"`([^`\n]+)`", re.sub("flight.recorder", "", (ROOT / page).read_text()))
    words = {word for span in code for name in re.findall(r"[A-Za-z_]+", span) for word in forms(name)}
    assert sorted(words & RETIRED - {"letter"}) == []  # a template or a topic of a shop may be called so
