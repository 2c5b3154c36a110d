"""Words that the data has never held are warned about, never refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from automation.config.data_checks import check_against
from automation.config.project import load_project
from automation.plugin_manager import Registry
from automation.types.seen import Seen, SeenTrait

SEEN = Seen(
    frozenset({"purchase", "view", "click"}),
    {
        "country": SeenTrait("text", frozenset({"DE", "AT", "CH"})),
        "postcode": SeenTrait("text"),
        "children": SeenTrait("integer", frozenset({0, 1, 2})),
    },
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("audience: {did: purchase}", []),
        (
            "audience: {did: purchse}",
            ["audience.did: the data has no event 'purchse' yet; it has: click, purchase, view (did you mean"],
        ),
        (
            "audience: {all: [everyone, {did_not: wish}]}",
            ["audience.all[2].did_not: the data has no event 'wish' yet; it has: click, purchase, view"],
        ),
        (
            "experiment: {goal: {did: order, within: 1d}}",
            ["experiment.goal.did: the data has no event 'order' yet; it has: click, purchase, view"],
        ),
        (
            "audience: {trait: county, is: DE}",
            ["audience.trait: the data has no trait 'county'; it has: children, country, postcode (did you mean"],
        ),
        (
            "audience: {trait: country, in: [DE, Austria]}",
            ["audience.in[2]: the trait 'country' has never been 'Austria'; it has: AT, CH, DE"],
        ),
        ("audience: {trait: postcode, is: 10115}", ["audience.is: the trait 'postcode' is text, and 10115 is not"]),
        ("audience: {trait: children, is: 7}", ["audience.is: the trait 'children' has never been 7; it has: 0, 1, 2"]),
        ("audience: {trait: children, is: 2}", []),
        ("audience: {top: 5, by: clv}", []),
        ("audience: {top: 5, by: monetary}", []),
        (
            "audience: {top: 5, by: clvv}",
            ["audience.by: there is no segment, profile value or trait 'clvv'; there are:"],
        ),
    ],
)
def test_warnings(written: str, expected: list[str], toy_project: Path, registry: Registry) -> None:
    hello = toy_project / "campaigns" / "hello.yaml"
    hello.write_text(hello.read_text(encoding="utf-8") + written + "\n", encoding="utf-8")
    project = load_project(toy_project, registry, environment={"TOY_PASSWORD": "x"})
    assert project.problems == ()
    found = check_against(project, SEEN)
    assert len(found) == len(expected)
    for problem, text in zip(found, expected, strict=True):
        assert str(problem).startswith("campaigns/hello.yaml:5:")
        assert f"{problem.path}: {problem.what}".startswith(text)
        assert problem.severity == "warning"


def test_segments_of_the_configuration_are_checked_too(toy_project: Path, registry: Registry) -> None:
    project = load_project(toy_project, registry, environment={"TOY_PASSWORD": "x"})
    found = check_against(project, Seen(frozenset({"view"}), {"country": SeenTrait("text")}))
    assert [str(problem) for problem in found] == [
        "config.yaml:13:16: segments.loyal.did: the data has no event 'purchase' yet; it has: view"
    ]
