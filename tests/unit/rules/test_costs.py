"""Each rule on its own: the customers for whom it holds as it is written."""

from __future__ import annotations

from typing import Any

import pytest
from unit.rules.written import core_registry, read

from automation.rules.costs import measure_costs
from automation.testing.toy_shop import toy_snapshot

REGISTRY = core_registry()
TEA: dict[str, Any] = {"did": "purchase", "where": {"category": "tea"}}
GOLD = {"trait": "tier", "is": "gold"}


def test_every_different_rule_is_measured_once_and_the_dearest_comes_first() -> None:
    condition = read({"all": [GOLD, {"not": TEA}, {"any": [TEA, {"did_not": "view"}, GOLD]}]}, REGISTRY)

    found = measure_costs([condition], toy_snapshot(), REGISTRY)

    assert {cost.path: cost.customers for cost in found} == {
        "audience.all[1]": 2,  # c1 and c3 are gold
        "audience.all[2]": 4,  # of the 8 customers c1, c2, c5 and c7 bought tea; the rule is for the others
        "audience.all[3].any[1]": 4,
        "audience.all[3].any[2]": 6,  # two customers viewed something
    }
    assert [cost.seconds for cost in found] == sorted((cost.seconds for cost in found), reverse=True)


@pytest.mark.parametrize(
    ("written", "customers"),
    [  # of 8 customers, worked out by hand
        (GOLD, 2),
        ({"not": GOLD}, 6),
        ({"did_not": "view"}, 6),
        ({"not": {"did_not": "view"}}, 2),
        ({"not_contacted": "30d"}, 8),
        ({"not": {"not_contacted": "30d"}}, 0),
        ({"trait": "tier", "is_not": "gold"}, 6),
        ({"not": {"trait": "tier", "exists": False}}, 4),
        ({"not": TEA}, 4),
    ],
)
def test_a_rule_counts_the_customers_for_whom_it_holds_as_written(written: dict[str, Any], customers: int) -> None:
    (cost,) = measure_costs([read(written, REGISTRY)], toy_snapshot(), REGISTRY)

    assert cost.customers == customers
    assert cost.rule.startswith("not: ") == ("not" in written)
