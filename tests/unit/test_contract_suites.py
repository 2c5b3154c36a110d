"""Every component that we ship is held to its contract by the suite that third parties call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from automation.plugin_manager import load_plugins
from automation.rules import core

TESTS = Path(__file__).resolve().parents[1]
SUITES = {
    "sources": "check_source",
    "rules": "check_rule",
    "segmenters": "check_segmenter",
    "recommenders": "check_recommender",
    "offer_policies": "check_offer_policy",
    "channels": "check_channel",
}
WITHOUT = {"suppressions"}
"""Kinds of which nothing is shipped yet."""
FUNCTIONS = {"template_filters"}
"""Kinds that are plain functions, without a contract beyond being called."""


def shipped() -> Iterator[tuple[str, str, str]]:
    """Kind, name and class of every component."""
    registry = load_plugins(core=[core])
    for kind, named in registry.components.items():
        if kind in FUNCTIONS:
            continue
        yield from ((kind, name, component.__name__) for name, (component, _) in named.items())


def test_every_kind_that_is_shipped_has_a_suite() -> None:
    assert {kind for kind, _, _ in shipped()} == set(SUITES)
    assert set(load_plugins().components) == set(SUITES) | WITHOUT | FUNCTIONS


@pytest.mark.parametrize(("kind", "name", "component"), list(shipped()))
def test_the_component_is_held_to_its_contract(kind: str, name: str, component: str) -> None:
    """Some test calls the suite of its kind and names the class, directly or as a parameter."""
    files = [names_in(path) for path in TESTS.rglob("test_*.py")]
    assert any(SUITES[kind] in called and component in named for called, named in files), (
        f"no test calls {SUITES[kind]} for {component}"
    )


@cache
def names_in(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a file calls, and all names in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    called = (node.func for node in nodes if isinstance(node, ast.Call))
    return (
        frozenset(name.id for name in called if isinstance(name, ast.Name)),
        frozenset(node.id for node in nodes if isinstance(node, ast.Name)),
    )
