"""What each rule costs, asked alone."""

from __future__ import annotations

from typing import Any

from unit.rules.written import core_registry, read

from automation.rules.costs import measure_costs
from automation.testing.toy_shop import toy_snapshot

REGISTRY = core_registry()


def test_every_different_rule_is_measured_once_and_the_dearest_comes_first() -> None:
    tea: dict[str, Any] = {"did": "purchase", "where": {"category": "tea"}}
    gold = {"trait": "tier", "is": "gold"}
    condition = read({"all": [gold, {"not": tea}, {"any": [tea, {"did_not": "view"}]}]}, REGISTRY)

    found = measure_costs([condition], toy_snapshot(), REGISTRY)

    assert {cost.path: cost.customers for cost in found} == {
        "audience.all[1]": 2,  # c1 and c3 are gold
        "audience.all[2].not": 4,  # c1, c2, c5 and c7 bought tea
        "audience.all[3].any[2]": 2,  # who viewed: the set that did_not leaves out
    }
    assert [cost.seconds for cost in found] == sorted((cost.seconds for cost in found), reverse=True)
    assert all(cost.estimated is not None and cost.estimated >= 0 for cost in found)
