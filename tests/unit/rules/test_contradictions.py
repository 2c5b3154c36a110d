"""Rules that can hold for nobody are found as they are written, and none that could hold for somebody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.rules.oracle import Shop, members
from unit.rules.strategies import shops
from unit.rules.written import core_registry, read

from automation.rules.contradictions import find_contradictions

REGISTRY = core_registry()
TEA: dict[str, Any] = {"did": "purchase", "where": {"category": "tea"}}
DE, AT = {"trait": "country", "is": "DE"}, {"trait": "country", "is": "AT"}


def found(written: Any, named: tuple[str, ...] = ()) -> list[str]:
    return [f"{path}: {why}" for path, why in find_contradictions(read(written, REGISTRY), named)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            {"all": [DE, AT]},
            "audience.all[2]: can never hold beside audience.all[1]: no value of country satisfies both",
        ),
        (
            {"all": [TEA, {"not": TEA}]},
            "audience.all[2].not: can never hold beside audience.all[1]: it is the same rule, negated",
        ),
        (
            {"all": [DE, {"all": [{"did": "view"}, {"trait": "country", "in": ["AT", "CH"]}]}]},
            "audience.all[2].all[2]: ",
        ),
        (
            {"all": [DE, {"trait": "country", "exists": False}]},
            "audience.all[2]: can never hold beside audience.all[1]",
        ),
        ({"all": [DE, {"trait": "country", "is_not": "DE"}]}, "audience.all[2]: can never hold beside audience.all"),
        (
            {"all": [{"profile": "monetary", "at_least": "100 EUR"}, {"profile": "monetary", "less_than": "100 EUR"}]},
            "audience.all[2]: can never hold beside audience.all[1]: no value of monetary satisfies both",
        ),
        (
            {"all": [{"did": "purchase", "in_the_last": "30d"}, {"did_not": "purchase", "in_the_last": "60d"}]},
            "audience.all[2]: can never hold beside audience.all[1]: who did purchase then did not do it",
        ),
        ({"all": [{"not": {"did": "purchase"}}, {**TEA, "after": "2026-01-01"}]}, "audience.all[2]: can never hold be"),
        (
            {"not": {"any": [{"not": DE}, {"not": AT}]}},
            "audience.not.any[2].not: can never hold beside audience.n",
        ),
        (
            {"any": [{"all": [DE, AT]}, {"did": "view"}]},
            "audience.any[1].all[2]: can never hold beside audience.a",
        ),
        (
            {"segment": "loyal", "score": "top 20%"},
            "audience: can never hold: the segment 'loyal' is a condit",
        ),
        (
            {"segment": "loyal", "label": "hot"},
            "audience: can never hold: the segment 'loyal' is a condit",
        ),
    ],
)
def test_what_can_hold_for_nobody_is_found(written: Any, expected: str) -> None:
    (one,) = found(written, ("loyal",))
    assert one.startswith(expected)


@pytest.mark.parametrize(
    "written",
    [
        {"any": [DE, AT]},
        {"not": {"all": [DE, AT]}},
        {"all": [DE, {"trait": "country", "in": ["DE", "AT"]}]},
        {"all": [DE, {"trait": "city", "is": "AT"}]},
        {"all": [{"trait": "points", "at_least": 5}, {"trait": "points", "at_most": 5}]},
        {"all": [{"trait": "points", "at_least": "5 EUR"}, {"trait": "points", "less_than": "5 USD"}]},
        {"all": [{"trait": "country", "is_not": "DE"}, {"trait": "country", "exists": False}]},
        {"all": [{"did": "purchase", "in_the_last": "60d"}, {"did_not": "purchase", "in_the_last": "30d"}]},
        {"all": [TEA, {"did_not": "purchase", "times": "at least 2"}]},
        {"all": [{"did": "purchase", "in_the_last": "30d"}, {"did_not": "purchase", "between": ["30d", "60d"]}]},
        {"segment": "churn", "score": "top 20%"},
    ],
)
def test_what_could_hold_is_not(written: Any) -> None:
    assert found(written, ("loyal",)) == []


RULES = [
    *({"trait": "country", operator: "DE"} for operator in ("is", "is_not")),
    *({"trait": "country", "in": names} for names in (["DE", "AT"], ["US"])),
    *({"trait": "country", "exists": known} for known in (True, False)),
    *({"trait": "points", name: 5} for name in ("at_least", "at_most", "more_than", "less_than", "is", "is_not")),
    *({"trait": "points", "between": ends} for ends in ([0, 5], [5, 19.9])),
    *({"did": "purchase", **span} for span in ({}, {"in_the_last": "2d"}, {"between": ["2d", "1w"]})),
    *({"did_not": "purchase", **span} for span in ({}, {"in_the_last": "2d"}, {"in_the_last": "1w"})),
    {"did": "purchase", "times": "at least 2"},
    {"did_not": "purchase", "times": "at least 2"},
]


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(shop=shops(), chosen=st.lists(st.tuples(st.sampled_from(RULES), st.booleans()), min_size=2, max_size=3))
def test_the_oracle_finds_nobody_either(shop: Shop, chosen: list[tuple[Any, bool]]) -> None:
    written = {"all": [rule if held else {"not": rule} for rule, held in chosen]}
    if found(written):
        assert members(written, shop) == set()
