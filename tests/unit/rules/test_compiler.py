"""Leaves, members, the best and samples of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import ibis
import ibis.expr.types as ir
import polars as pl
import pytest
from pydantic import BaseModel
from unit.rules.written import core_registry, read

from automation.contracts import Options, Snapshot
from automation.errors import ConfigurationError
from automation.ids import shares
from automation.rules.compiler import evaluate, select_audience
from automation.testing.rule import check_rule
from automation.testing.toy_shop import toy_snapshot
from automation.types.condition import Audience, Group

REGISTRY = core_registry()
EVERYONE = Audience(Group("all", ()))


def condition(written: Mapping[str, Any]) -> Any:
    return read(written, REGISTRY)


def ids(table: ir.Table) -> list[str]:
    return list(table.to_polars()["customer_id"])


def test_profiles_are_measured_only_for_rules_that_read_them() -> None:
    def refuse() -> ir.Table:
        raise NotImplementedError("profiles are read")

    data = replace(toy_snapshot(), measure_profiles=refuse)
    bought = condition({"all": [{"trait": "tier", "is": "gold"}, {"did": "purchase"}]})
    assert ids(select_audience(Audience(bought), data, REGISTRY, salt="x"))
    with pytest.raises(NotImplementedError):
        select_audience(Audience(condition({"profile": "frequency", "at_least": 1})), data, REGISTRY, salt="x")


def test_every_leaf_of_every_condition_is_a_column_in_the_order_of_the_file() -> None:
    tea = {"did": "purchase", "where": {"category": "tea"}}
    gold = {"trait": "tier", "is": "gold"}
    first = condition({"all": [gold, {"not": tea}]})
    second = condition({"any": [tea, {"trait": "country", "is": "IE"}]})

    rows = evaluate([first, second], toy_snapshot(), REGISTRY).to_polars().sort("customer_id")

    expected = pl.DataFrame(
        {
            "customer_id": [f"c{n}" for n in range(1, 9)],
            "leaf_0": [True, False, True, False, False, False, False, False],  # gold
            "leaf_1": [True, True, False, False, True, False, True, False],  # tea
            "leaf_2": [True, True, False, False, True, False, True, False],  # tea
            "leaf_3": [False, False, False, False, False, True, False, False],  # Ireland
            "holds_0": [False, False, True, False, False, False, False, False],
            "holds_1": [True, True, False, False, True, True, True, False],
        }
    )
    assert rows.equals(expected)


def test_all_of_nothing_is_everyone_and_any_of_nothing_is_nobody() -> None:
    rows = evaluate([Group("all", ()), Group("any", ())], toy_snapshot(), REGISTRY).to_polars()

    assert (rows["holds_0"].sum(), rows["holds_1"].sum()) == (8, 0)


def test_the_same_leaf_is_asked_once() -> None:
    tea = {"did": "purchase", "where": {"category": "tea"}}
    twice = evaluate([condition({"all": [tea, {"not": tea}]}), condition(tea)], toy_snapshot(), REGISTRY)

    assert str(ibis.to_sql(twice)).count("'tea'") == 1


BOUGHT: list[tuple[dict[str, Any], str]] = [  # a rule, and the customers for whom it holds
    ({"did": "purchase", "in_the_last": "40d"}, "1234"),
    ({"did_not": "purchase", "in_the_last": "90d"}, "568"),
    ({"did": "purchase", "times": "at least 2"}, "1237"),
    ({"did": "purchase", "sum": "more than 20", "before": "2026-02-25"}, "13"),
    ({"did_not": "purchase", "distinct": {"product": "at least 3"}}, "245678"),
]


def test_rules_about_one_type_of_event_read_it_once() -> None:
    together = evaluate([condition(rule) for rule, _ in BOUGHT], toy_snapshot(), REGISTRY)

    assert str(ibis.to_sql(together)).count("'purchase'") == 1
    rows = together.to_polars().sort("customer_id")
    for n, (rule, held) in enumerate(BOUGHT):
        assert list(rows.filter(rows[f"holds_{n}"])["customer_id"]) == [f"c{number}" for number in held], rule


@pytest.mark.parametrize(("chosen", "found"), [((0, 2), "123"), ((1, 4), "568"), ((2, 3, 4), ""), ((2, 4), "27")])
def test_members_of_all_of_them_read_it_once_too(chosen: tuple[int, ...], found: str) -> None:
    rules = [condition(BOUGHT[n][0]) for n in chosen]
    members = select_audience(Audience(Group("all", tuple(rules))), toy_snapshot(), REGISTRY, salt="x")

    assert str(ibis.to_sql(members)).count("'purchase'") == 1
    assert sorted(ids(members)) == [f"c{number}" for number in found]


def test_some_customers_can_be_asked_about_alone() -> None:
    rows = evaluate(
        [condition({"did": "view"})], toy_snapshot(), REGISTRY, among=pl.Series(["c6", "c8", "who"])
    ).to_polars()

    assert sorted(rows.select("customer_id", "holds_0").iter_rows()) == [("c6", True), ("c8", False)]


class CarelessOptions(Options):
    careless: bool


class Careless:
    """A rule that breaks its contract: repeats ids, and has a null."""

    key: ClassVar[str] = "careless"
    Options: ClassVar[type[BaseModel]] = CarelessOptions

    def __init__(self, options: CarelessOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        return ibis.memtable(pl.DataFrame({"customer_id": ["c1", "c1", None]}))


def test_a_careless_rule_neither_doubles_anybody_nor_makes_truth_unknown() -> None:
    registry = core_registry()
    registry.components["rules"]["careless"] = (Careless, "test")
    careless = read({"careless": True}, registry)

    rows = evaluate([careless, Group("not", (careless,))], toy_snapshot(), registry).to_polars()

    assert sorted(rows["customer_id"]) == [f"c{n}" for n in range(1, 9)]
    assert list(rows.filter(rows["holds_0"])["customer_id"]) == ["c1"]
    assert rows["holds_1"].sum() == 7


def test_check_rule_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.testing.promises.HEAVY", ())  # this file itself imports polars
    with pytest.raises(AssertionError, match="null customer_id"):
        check_rule(Careless, {"careless": True}, expected={"c1"})


def test_the_members_keep_their_leaves() -> None:
    wanted = Audience(condition({"any": [{"did": "view"}, {"trait": "tier", "is": "gold"}]}))

    rows = select_audience(wanted, toy_snapshot(), REGISTRY, salt="x").to_polars().sort("customer_id")

    assert rows.columns == ["customer_id", "leaf_0", "leaf_1"]
    assert rows.rows() == [("c1", True, True), ("c3", False, True), ("c6", True, False)]


def test_a_sample_is_drawn_by_our_own_hash() -> None:
    everyone = pl.Series([f"c{n}" for n in range(1, 9)])
    for salt in ("a", "b", "winter"):
        members = select_audience(Audience(Group("all", ()), sample=0.4), toy_snapshot(), REGISTRY, salt=salt)
        assert sorted(ids(members)) == everyone.filter(pl.Series(shares(salt, everyone) < 0.4)).to_list()


def test_an_error_names_the_leafs_place() -> None:
    with pytest.raises(ConfigurationError, match=r"^audience\.all\[2\]: there is no trait 'colour'; "):
        evaluate([condition({"all": [{"did": "view"}, {"trait": "colour", "is": "red"}]})], toy_snapshot(), REGISTRY)
