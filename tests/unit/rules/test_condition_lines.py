"""A condition line by line: every line says whether it holds as it is written."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from unit.rules.written import core_registry, read

from automation.rules.condition_lines import condition_lines, lines_hold, path_of, spell_condition
from automation.types.condition import leaves

REGISTRY = core_registry()
A, B, C = ({"trait": name, "exists": True} for name in ("a", "b", "c"))


def lines(written: Any, *values: bool) -> list[tuple[str, int, bool]]:
    found = condition_lines(read(written, REGISTRY))
    return [(line.path, line.depth, holds) for line, holds in zip(found, lines_hold(found, list(values)), strict=True)]


def test_a_rule_under_not_holds_where_the_rule_itself_does_not() -> None:
    assert lines({"all": [A, {"not": B}]}, True, True) == [("audience.all[1]", 0, True), ("audience.all[2]", 0, False)]
    assert lines({"not": A}, False) == [("audience", 0, True)]
    (line,) = condition_lines(read({"not": A}, REGISTRY))
    assert line.text == 'not: {{"trait": "a", "exists": true}}'
    assert line.negated


def test_every_group_has_a_line_of_its_own() -> None:
    written = {"all": [{"any": [A, {"not": B}]}, {"not": {"all": [B, C]}}]}
    assert lines(written, False, False, True, True) == [
        ("audience.all[1]", 0, True),  # any: the second of the two holds
        ("audience.all[1].any[1]", 1, False),
        ("audience.all[1].any[2]", 1, True),
        ("audience.all[2]", 0, False),  # not of all of them
        ("audience.all[2].not", 1, True),
        ("audience.all[2].not.all[1]", 2, True),
        ("audience.all[2].not.all[2]", 2, True),
    ]


@pytest.mark.parametrize(
    "written",
    [
        A,
        {"not": A},
        {"any": [A, B]},
        {"not": {"any": [A, {"all": [B, {"not": C}]}]}},
        {"all": [{"any": []}, {"all": []}]},
    ],
)
def test_the_lines_are_the_conditions_own_values(written: Any) -> None:
    """An oracle for every combination of values: Python's own Boolean operators over the file's structure."""

    def truth(part: Any, names: dict[str, bool]) -> bool:
        if "not" in part:
            return not truth(part["not"], names)
        if "all" in part:
            return all(truth(one, names) for one in part["all"])
        if "any" in part:
            return any(truth(one, names) for one in part["any"])
        return names[part["trait"]]

    def at(path: str) -> Any:
        part: Any = written
        for step in path.removeprefix("audience").removeprefix(".").split("."):
            name, bracket, number = step.partition("[")
            if name:
                part = part[name][int(number.rstrip("]")) - 1] if bracket else part[name]
        return part

    condition = read(written, REGISTRY)
    own = [leaf.options.model_dump()["trait"] for leaf in leaves(condition)]
    for values in product((True, False), repeat=len(own)):
        names = dict(zip(own, values, strict=True))
        for path, _, holds in lines(written, *values):
            if path:  # a group of nothing has no place of its own
                assert holds == truth(at(path), names), (path, names)


def test_a_whole_condition_in_one_line() -> None:
    written = {"any": [{"all": [A, {"not": B}]}, C]}
    a, b, c = (json.dumps(one) for one in (A, B, C))
    assert spell_condition(read(written, REGISTRY)) == f"({a} and not ({b})) or {c}"
    assert spell_condition(read({"all": []}, REGISTRY)) == "everyone"
    assert path_of(read({"not": {"any": [A]}}, REGISTRY)) == "audience"
