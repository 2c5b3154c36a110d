"""What one customer of the toy shop has of what a rule asks for, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import ibis
import polars as pl
import pytest
from unit.rules.written import core_registry

from automation.contracts import Figure, MeasuringRule
from automation.rules.one_customer import narrow, needs_one
from automation.testing.toy_shop import TOY_AS_OF, toy_snapshot
from automation.types.condition import Leaf

REGISTRY = core_registry()
SHOP = toy_snapshot()


def shop_with_messages() -> Any:
    """c1 got winback 10 days ago and welcome 50 days ago; segments tea (a condition's) and risk (a model's)."""
    decisions = pl.DataFrame(
        [
            ("c1", "winback", "1", "message", TOY_AS_OF - timedelta(days=10), None, "m1"),
            ("c1", "welcome", "2", "message", TOY_AS_OF - timedelta(days=50), None, "m2"),
            ("c2", "winback", "1", "holdout", TOY_AS_OF - timedelta(days=10), None, None),
        ],
        schema=["customer_id", "campaign", "run_id", "outcome", "decided_at", "variant", "message_id"],
        orient="row",
        schema_overrides={"variant": pl.String},
    )
    members = {"customer_id": ["c1", "c2"], "label": [None, "at risk"], "score": [None, 0.432], "reasons": [[], []]}
    segments = {
        "risk": ibis.memtable(
            pl.DataFrame(members, schema_overrides={"reasons": pl.List(pl.String), "label": pl.String})
        )
    }
    return replace(SHOP, decisions=ibis.memtable(decisions), segments=segments)


def figures(written: dict[str, Any], customer: str, data: Any = SHOP) -> list[Figure]:
    (key,) = set(REGISTRY.names("rules")) & written.keys()
    cls = REGISTRY.find("rules", key)
    rule = cls(cls.Options.model_validate(written))
    assert isinstance(rule, MeasuringRule)
    return list(rule.measure(narrow(data, customer, {}, REGISTRY)))


@pytest.mark.parametrize(
    ("written", "customer", "expected"),
    [
        ({"did": "purchase"}, "c1", [Figure("3 times, the last on 2026-03-20 (p5 Mug)")]),
        ({"did": "purchase"}, "c8", [Figure("never")]),
        (
            {"did": "purchase", "in_the_last": "90d"},
            "c5",
            [Figure("not like this; purchase 1 time in all, the last on 2024-05-01")],
        ),
        ({"did": "purchase", "times": "at least 2"}, "c5", [Figure("1", "at least 2")]),
        ({"did": "purchase", "times": "at least 2"}, "c8", [Figure("0", "at least 2")]),
        (
            {"did": "purchase", "sum": "at least 500 EUR"},
            "c1",
            [
                Figure("3 times, the last on 2026-03-20 (p5 Mug)"),
                Figure("41.40 EUR", "at least 500 EUR", "sum"),
            ],
        ),
        (
            {"did": "purchase", "times": "at least 4", "distinct": {"category": "at least 3"}},
            "c3",
            [Figure("4", "at least 4"), Figure("2", "at least 3", "distinct of category")],
        ),
        (
            {"did": "purchase", "average": {"quantity": "more than 2"}},
            "c2",
            [
                Figure("2 times, the last on 2026-03-01 (p2 Black Tea)"),
                Figure("2", "more than 2", "average of quantity"),
            ],
        ),
        (
            {"did": "purchase", "most": {"of": "product", "is": "p5"}},
            "c3",
            [
                Figure("4 times, the last on 2026-03-10 (p5 Mug)"),
                Figure("p3 Espresso Beans (3), p4 Filter Coffee (1), p5 Mug (1)", what="most"),
                Figure("Mug", what="p5"),
            ],
        ),
        (
            {"did": "purchase", "where": {"product_id": ["p1", "p6"]}, "times": "at least 3"},
            "c1",
            [Figure("2", "at least 3"), Figure("Green Tea", what="p1"), Figure("Teapot", what="p6")],
        ),
        (
            {"did": "purchase", "every": "30d", "for": 3},
            "c1",
            [Figure("3 times, the last on 2026-03-20 (p5 Mug)"), Figure("2 of the last 3 periods", "all 3")],
        ),
        (
            {"did": "purchase", "first": {"in_the_last": "30d"}},
            "c2",
            [Figure("2 times, the last on 2026-03-01 (p2 Black Tea)"), Figure("2026-01-31", what="first")],
        ),
        ({"did_not": "purchase", "times": "at least 2"}, "c1", [Figure("3", "less than 2")]),
        ({"did_not": "purchase", "times": 3}, "c1", [Figure("3", "not exactly 3")]),
        ({"did_not": "view"}, "c6", [Figure("3 times, the last on 2026-03-03 (p3 Espresso Beans)")]),
        (
            {"did_not": "view", "between": ["2026-03-01", "2026-04-30"]},
            "c8",
            [Figure("never"), Figure("the time is not over yet")],
        ),
        ({"trait": "country", "is": "DE"}, "c1", [Figure("PT")]),
        ({"trait": "tier", "is_not": "gold"}, "c4", [Figure("no value")]),
        ({"trait": "points", "at_least": 500}, "c1", [Figure("320", "at least 500")]),
        ({"trait": "points", "between": [1, 2]}, "c3", [Figure("540.5", "between 1 and 2")]),
        ({"trait": "birthday", "anniversary": "today"}, "c2", [Figure("1988-02-29")]),
        ({"trait": "created_at", "older_than": "30d"}, "c6", [Figure("2026-01-15 00:00", "longer ago than 30d")]),
        ({"trait": "country", "is": "DE"}, "c99", [Figure("no value")]),
        ({"profile": "monetary", "at_least": "500 EUR"}, "c1", [Figure("41.40 EUR", "at least 500 EUR")]),
        ({"profile": "recency_days", "at_most": "5d"}, "c4", [Figure("14.6 days", "at most 5d")]),
    ],
)
def test_the_figure_of_a_rule(written: dict[str, Any], customer: str, expected: list[Figure]) -> None:
    assert figures(written, customer) == expected


@pytest.mark.parametrize(
    ("written", "customer", "expected"),
    [
        ({"not_contacted": "30d"}, "c1", [Figure("last contacted on 2026-03-20 by winback")]),
        ({"not_contacted": "30d", "campaign": "welcome"}, "c1", [Figure("last contacted on 2026-02-08 by welcome")]),
        ({"not_contacted": "30d"}, "c2", [Figure("never contacted")]),
        ({"message": {"was": "received"}}, "c1", [Figure("2 times, the last on 2026-03-20")]),
        ({"message": {"was": "received"}, "in_the_last": "5d"}, "c1", [Figure("last on 2026-03-20")]),
        ({"message": {"was": "opened"}}, "c1", [Figure("1 time, the last on 2026-03-25")]),
        ({"message": {"was": "clicked"}}, "c1", [Figure("never")]),
        ({"segment": "risk", "score": "at least 0.6"}, "c2",
         [Figure("0.43", "at least 0.6", "score"), Figure("at risk", what="label")]),
        ({"segment": "risk"}, "c1", [Figure("in the segment")]),
        ({"segment": "risk"}, "c3", [Figure("not in the segment")]),
    ],
)  # fmt: skip
def test_the_figure_of_a_rule_about_messages_and_segments(
    written: dict[str, Any], customer: str, expected: list[Figure]
) -> None:
    assert figures(written, customer, shop_with_messages()) == expected


@pytest.mark.parametrize(
    ("score", "customer", "expected"),
    [
        ("top 50%", "c1", [Figure("place 2 of 2 with 0.20", "top 50%", "score")]),
        ("top 50%", "c2", [Figure("place 1 of 2 with 0.43", "top 50%", "score"), Figure("at risk", what="label")]),
        ("top 50%", "c3", [Figure("not in the segment, or without a score")]),
    ],
)
def test_a_share_of_a_segment_compares_with_everybody(score: str, customer: str, expected: list[Figure]) -> None:
    members = {"customer_id": ["c1", "c2"], "label": [None, "at risk"], "score": [0.2, 0.432]}
    segments = {"risk": ibis.memtable(pl.DataFrame(members, schema_overrides={"label": pl.String}))}
    cls = REGISTRY.find("rules", "segment")
    rule: Any = cls(cls.Options.model_validate({"segment": "risk", "score": score}))
    assert rule.compares
    assert rule.place(replace(SHOP, segments=segments), customer) == expected
    assert not needs_one(Leaf("segment", rule.options, "", ""), REGISTRY)


def test_every_rule_of_the_core_shows_its_figures() -> None:
    """But an admin's SQL, of which only the answer is known."""
    rules = {key: REGISTRY.find("rules", key) for key in REGISTRY.names("rules")}
    assert {key for key, rule in rules.items() if not hasattr(rule, "measure")} == {"condition"}
