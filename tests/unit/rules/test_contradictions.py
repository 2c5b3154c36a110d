"""Rules that can hold for nobody are found as they are written, and none that could hold for somebody."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.rules.oracle import Shop, members
from unit.rules.strategies import shops
from unit.rules.written import core_registry, read

from automation.rules.contradictions import find_contradictions, find_future_spans

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


@pytest.mark.parametrize(
    ("written", "expected"),
    [  # on 30 March 2026
        ({"did": "purchase", "after": "2026-03-30"}, "holds for nobody before 2026-03-31: its days are still to come"),
        ({"did": "purchase", "after": "2026-03-29"}, None),
        ({"did": "purchase", "between": ["2026-04-01", "2026-04-30"]}, "holds for nobody before 2026-04-01: its days"),
        ({"did": "purchase", "between": ["2026-03-01", "2026-04-30"]}, None),
        ({"did": "purchase", "first": {"after": "2026-12-31"}}, "holds for nobody before 2027-01-01: its days"),
        ({"did_not": "purchase", "between": ["2026-03-01", "2026-04-30"]}, "holds for nobody until 2026-04-30 is over"),
        ({"did_not": "purchase", "between": ["2026-03-01", "2026-03-30"]}, "holds for nobody until 2026-03-30 is over"),
        ({"did_not": "purchase", "between": ["2026-03-01", "2026-03-29"]}, None),
        ({"did_not": "purchase", "before": "2026-04-01"}, "holds for nobody until 2026-03-31 is over"),
        ({"did_not": "purchase", "after": "2026-03-01"}, None),
        ({"did_not": "purchase", "in_the_last": "30d"}, None),
        ({"message": {"was": "opened"}, "after": "2026-03-30"}, "holds for nobody before 2026-03-31: its days"),
    ],
)
def test_days_that_are_still_to_come(written: Any, expected: str | None) -> None:
    spans = [why for _, why in find_future_spans(read(written, REGISTRY), date(2026, 3, 30))]
    assert len(spans) == (expected is not None)
    assert all(why.startswith(str(expected)) for why in spans)
    noon = datetime(2026, 3, 30, 12, tzinfo=UTC)
    buyer = {"customer_id": "c1", "timezone": None}
    event = {"customer_id": "c1", "type": "purchase", "occurred_at": noon - timedelta(minutes=1), "order_id": None}
    if expected is not None:  # neither who bought just now nor who never did anything
        assert members(written, Shop(noon, "UTC", [buyer, {**buyer, "customer_id": "c2"}], events=[event])) == set()


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
