"""What pyproject.toml and constraints.txt promise, held against the tree and against each other."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "marketing-automation-daemon"

COMES_WITH = {"annotated_types": "pydantic", "pydantic_core": "pydantic", "markupsafe": "jinja2"}
"""Imported directly, and part of the named dependency's own interface."""
IMPORTED_BY_NAME = {
    "sniffio": "httpcore looks for it at every step, and without it each look is a failed import",
    "tzdata": "time zones, for machines that have none",
}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def requirements(project: dict[str, Any]) -> list[Requirement]:
    extras = project["project"]["optional-dependencies"].values()
    return [Requirement(text) for group in (project["project"]["dependencies"], *extras) for text in group]


def test_constraints_are_pins_and_nothing_else() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line.startswith("#"):
            assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", line), line
        assert not re.search(r"://|@|\.whl|^-|\bfile:|index|(^|\s)/", line), line


def test_every_requirement_is_pinned_within_its_bounds(project: dict[str, Any], pins: dict[str, str]) -> None:
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    for requirement in requirements(project):
        assert requirement.specifier, f"{requirement.name} has no lower bound"
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def listed_holes(page: str) -> list[tuple[str, str]]:
    """The page's table of known holes: package, first version without it."""
    section = page.split("## Holes that the lower bounds exclude")[1].split("\n## ", maxsplit=1)[0]
    rows = re.findall(r"^\| (\S+) \| ([0-9.]+) \| CVE-\d{4}-\d{4,} \| .+ \|$", section, re.MULTILINE)
    assert len(rows) == section.count("\n| ") - 1, "a row can't be read"
    return [(canonicalize_name(name), fixed) for name, fixed in rows]


def below(holes: list[tuple[str, str]], lowest: dict[str, str]) -> list[str]:
    """What allows a version with a hole. lowest: of each package, the lowest version that it allows."""
    return [
        f"{name}: {lowest[name]} is allowed, {fixed} is the first without a hole"
        for name, fixed in holes
        if name in lowest and Version(lowest[name]) < Version(fixed)
    ]


def test_no_version_with_a_known_hole_is_allowed(project: dict[str, Any], pins: dict[str, str]) -> None:
    page = (ROOT / "docs/explanation/dependencies.md").read_text()
    holes = listed_holes(page)
    date.fromisoformat(page.split("Last looked at on ")[1][:10])
    pinned = {str(canonicalize_name(name)): version for name, version in pins.items()}
    assert {name for name, _ in holes} <= pinned.keys()
    assert below(holes, pinned) == []
    least = {
        str(canonicalize_name(one.name)): spec.version
        for one in requirements(project)
        for spec in one.specifier
        if spec.operator == ">="
    }
    assert below(holes, least) == []
    assert below([("h11", "0.16.0")], {"h11": "0.14"}) == ["h11: 0.14 is allowed, 0.16.0 is the first without a hole"]


@pytest.mark.slow
def test_the_pins_are_the_whole_tree_and_no_more(project: dict[str, Any], pins: dict[str, str]) -> None:
    pytest.importorskip("pyspark", reason="the tree is known where every extra is installed, spark too")
    assert {canonicalize_name(name) for name in pins} == reached(requirements(project))


def reached(roots: list[Requirement]) -> set[str]:
    """Every distribution that the requirements bring into this environment."""
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = [(canonicalize_name(root.name), frozenset(root.extras)) for root in roots]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in found:
            continue
        found.add((name, extras))
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in ("", *extras)):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return {name for name, _ in found}


def test_what_is_imported_is_required_and_what_is_required_is_imported(project: dict[str, Any]) -> None:
    required = {canonicalize_name(Requirement(text).name) for text in project["project"]["dependencies"]}
    homes = importlib.metadata.packages_distributions()
    used = {
        canonicalize_name(COMES_WITH.get(name) or homes.get(name, [name])[0])
        for name in imported(ROOT / "automation", ROOT / "plugins")
    }
    extras = project["project"]["optional-dependencies"]
    engines = {canonicalize_name(Requirement(text).name) for name in ("postgres", "spark") for text in extras[name]}
    assert used - required <= engines
    assert required - used == set(IMPORTED_BY_NAME)


def imported(*folders: Path) -> set[str]:
    """The top names of every third-party module that is imported there, local imports included."""
    ours = {"automation", *(path.name for path in (ROOT / "plugins").iterdir())}
    names = {name for folder in folders for path in folder.rglob("*.py") for name in _imports(path)}
    return names - set(sys.stdlib_module_names) - {"_typeshed"} - ours  # the standard library's types


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_every_cap_is_explained(project: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "explanation" / "dependencies.md").read_text()
    needed = [Requirement(text) for text in project["project"]["dependencies"]]
    caps = {f"{needs.name}{bound}" for needs in needed for bound in needs.specifier if bound.operator.startswith("<")}
    assert caps == set(re.findall(r"^\| `([\w-]+<[\d.]+)` \|", page, flags=re.M))


def test_an_extra_exists_only_where_something_needs_it(project: dict[str, Any]) -> None:
    assert set(project["project"]["optional-dependencies"]) == {"dev", "docs", "postgres", "spark"}


def test_the_licence_is_the_one_that_is_named(project: dict[str, Any]) -> None:
    text = (ROOT / "LICENSE").read_text()
    assert project["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "9. Accepting Warranty" in text


def test_every_plugin_is_known_to_the_linters(project: dict[str, Any]) -> None:
    plugins = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
    lint = project["tool"]["importlinter"]
    assert set(lint["root_packages"]) == {"automation"} | plugins
    contracts = {contract["name"]: contract for contract in lint["contracts"]}
    assert set(contracts["the core never imports a plugin"]["forbidden_modules"]) == plugins
    assert set(contracts["plugins import public rooms only"]["source_modules"]) == plugins


def test_every_room_has_its_layer(project: dict[str, Any]) -> None:
    (layers,) = (c["layers"] for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    named = {name.strip() for layer in layers for name in re.split("[|:]", layer)}
    rooms = {f"automation.{path.parent.name}" for path in (ROOT / "automation").glob("*/__init__.py")}
    files = {f"automation.{path.stem}" for path in (ROOT / "automation").glob("*.py") if path.stem[:2] != "__"}
    assert named == rooms | files


def test_the_version_is_written_once(project: dict[str, Any]) -> None:
    import automation

    assert automation.__version__ == project["project"]["version"] == importlib.metadata.version(PROJECT)
