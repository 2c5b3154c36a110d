"""Recommendations: ranked, topped up, never repeated, with texts of reasons; a broken answer fails the batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import polars as pl
import pytest

from automation.contracts import Options, ReasonTexts
from automation.contracts.answers import RECOMMENDATIONS
from automation.errors import ContractError
from automation.pipeline.recommend import NamedRecommender, RecommendationContext, recommend

CATALOGUE = pl.DataFrame(
    {
        "product_id": ["p1", "p2", "p3", "p4"],
        "name": ["Mug", "Tea", "Lamp", "Rug"],
        "price": [9.0, 5.0, None, 80.0],
    }
)
HISTORY = pl.DataFrame(
    {
        "customer_id": ["c1", "c1", "c2"],
        "product_id": ["p1", "p4", "p2"],
        "type": ["purchase", "view", "purchase"],
        "occurred_at": [1, 2, 3],
        "amount": [9.0, None, 5.0],
    }
)
BATCH = pl.DataFrame({"customer_id": ["c1", "c2", "c3"]})

Row = tuple[str, str, float, str, list[str]]


class Fixed:
    """A recommender that answers what it was made with, within what is allowed and not blocked."""

    Options = Options
    reasons: ClassVar[ReasonTexts] = {
        "en": {"because": "because you bought {products}", "popular": "liked by many", "unused": "never given"},
        "fr": {"because": "parce que vous avez acheté {products}"},
    }

    def __init__(self, *rows: Row, obedient: bool = True) -> None:
        self.rows = pl.DataFrame(list(rows), schema=RECOMMENDATIONS, orient="row")
        self.obedient = obedient

    def recommend(
        self, customers: pl.Series, history: pl.DataFrame, *, k: int, allowed: pl.Series, blocked: pl.DataFrame
    ) -> pl.DataFrame:
        if not self.obedient:
            return self.rows
        kept = self.rows.filter(
            pl.col("customer_id").is_in(customers.implode()) & pl.col("product_id").is_in(allowed.implode())
        ).join(blocked, on=["customer_id", "product_id"], how="anti", maintain_order="left")
        return kept.filter(pl.int_range(pl.len()).over("customer_id") < k)


def recommendation(
    first: Any, otherwise: Any = None, *, items: int = 2, exclude: Sequence[str] = (), stock: Sequence[str] = ()
) -> RecommendationContext:
    allowed = pl.Series("product_id", list(stock) or ["p1", "p2", "p3", "p4"])
    backup = None if otherwise is None else NamedRecommender("backup", otherwise)
    return RecommendationContext(
        NamedRecommender("similar", first), backup, items, 0, tuple(exclude), CATALOGUE, allowed
    )


def items(found: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    return {customer: json.loads(text) for customer, text in found.select("customer_id", "items").iter_rows()}


def test_items_come_by_score_then_id_with_their_reason() -> None:
    first = Fixed(
        ("c1", "p3", 0.5, "because", ["p1", "p4"]),
        ("c1", "p2", 0.5, "because", ["p1"]),
        ("c2", "p1", 0.9, "popular", []),
    )
    found, content = recommend(BATCH, recommendation(first), HISTORY)
    assert found["customer_id"].to_list() == ["c1", "c2", "c3"]
    assert found["item_count"].to_list() == [2, 1, 0]
    got = items(found)
    assert [item["product_id"] for item in got["c1"]] == ["p2", "p3"]
    assert got["c1"][1] == {
        "product_id": "p3", "score": 0.5, "reason": "because", "because": ["p1", "p4"], "by": "similar",
    }  # fmt: skip
    assert got["c3"] == []
    assert json.loads(content) == {
        "products": {
            "p1": {"name": "Mug", "price": 9.0},
            "p2": {"name": "Tea", "price": 5.0},
            "p3": {"name": "Lamp", "price": None},
            "p4": {"name": "Rug"},
        },
        "reasons": {
            "similar": {
                "because": {"en": "because you bought {products}", "fr": "parce que vous avez acheté {products}"},
                "popular": {"en": "liked by many"},
            }
        },
    }


def test_two_recommenders_that_share_a_code_keep_their_own_texts() -> None:
    class Backup(Fixed):
        reasons: ClassVar[ReasonTexts] = {"en": {"popular": "what everybody buys"}}

    first, backup = Fixed(("c1", "p3", 0.1, "popular", [])), Backup(("c2", "p2", 0.1, "popular", []))
    _, content = recommend(BATCH, recommendation(first, backup), HISTORY)
    assert json.loads(content)["reasons"] == {
        "backup": {"popular": {"en": "what everybody buys"}},
        "similar": {"popular": {"en": "liked by many"}},
    }


def test_a_reason_without_a_text_is_kept_as_a_code() -> None:
    found, content = recommend(BATCH, recommendation(Fixed(("c1", "p3", 0.1, "new_code", []))), HISTORY)
    assert items(found)["c1"][0]["reason"] == "new_code"
    assert json.loads(content)["reasons"] == {"similar": {"new_code": {}}}


def test_texts_of_a_wrong_form_fail_the_batch() -> None:
    class Flat(Fixed):
        reasons: ClassVar[Any] = {"popular": "liked by many"}

    with pytest.raises(ContractError, match=r"Flat\.reasons: must be language → code → text"):
        recommend(BATCH, recommendation(Flat(("c1", "p3", 0.1, "popular", []))), HISTORY)


def test_what_was_bought_is_excluded_and_what_was_viewed_is_not() -> None:
    first = Fixed(*((c, p, 1.0, "popular", []) for c in ("c1", "c2") for p in ("p1", "p2", "p4")))
    found, _ = recommend(BATCH, recommendation(first, items=4, exclude=["purchased"]), HISTORY)
    shown = {customer: [item["product_id"] for item in rows] for customer, rows in items(found).items()}
    assert shown == {"c1": ["p2", "p4"], "c2": ["p1", "p4"], "c3": []}


def test_the_backup_fills_up_behind_the_first_without_repeating() -> None:
    first = Fixed(("c1", "p3", 0.1, "because", ["p1"]))
    backup = Fixed(
        *((c, p, s, "popular", []) for c in ("c1", "c2", "c3") for p, s in (("p3", 9.0), ("p2", 8.0), ("p4", 7.0)))
    )
    found, _ = recommend(BATCH, recommendation(first, backup), HISTORY)
    shown = {customer: [(item["product_id"], item["by"]) for item in rows] for customer, rows in items(found).items()}
    assert shown == {
        "c1": [("p3", "similar"), ("p2", "backup")],
        "c2": [("p3", "backup"), ("p2", "backup")],
        "c3": [("p3", "backup"), ("p2", "backup")],
    }


def test_only_what_is_in_stock_is_offered() -> None:
    first = Fixed(*(("c1", p, 1.0, "popular", []) for p in ("p1", "p2", "p3")))
    found, _ = recommend(BATCH, recommendation(first, stock=["p3"]), HISTORY)
    assert [item["product_id"] for item in items(found)["c1"]] == ["p3"]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([("c1", "p1", float("nan"), "popular", [])], "a score that is not a finite number"),
        ([("c1", "p1", 1.0, "popular", []), ("c1", "p1", 0.5, "popular", [])], "a product twice for one customer"),
        ([("c1", p, 1.0, "popular", []) for p in ("p2", "p3", "p4")], "more than 2 products for a customer"),
        ([("c9", "p1", 1.0, "popular", [])], "a customer who was not asked about"),
        ([("c1", "p9", 1.0, "popular", [])], "a product that is not allowed"),
        ([("c1", "p1", 1.0, "popular", [])], "a blocked product"),
    ],
)
def test_an_answer_that_breaks_the_contract_fails_the_batch(rows: list[Row], what: str) -> None:
    broken = Fixed(*rows, obedient=False)
    with pytest.raises(ContractError, match=f"recommender similar returned {what}"):
        recommend(BATCH, recommendation(broken, exclude=["purchased"]), HISTORY)


def test_wrong_columns_are_named() -> None:
    class Wrong(Fixed):
        def recommend(self, customers: pl.Series, *_: Any, **__: Any) -> pl.DataFrame:
            return self.rows.drop("because")

    with pytest.raises(ContractError, match="recommender similar returned the columns"):
        recommend(BATCH, recommendation(Wrong()), HISTORY)


def test_who_objects_to_profiling_gets_what_a_stranger_would_get() -> None:
    personal = Fixed(("c1", "p1", 0.9, "because", ["p4"]), ("c2", "p2", 0.9, "because", ["p1"]))
    popular = Fixed(*((customer, "p3", 0.1, "popular", []) for customer in ("c1", "c2", "c3", "\x00")))
    context = recommendation(personal, popular, items=1)
    found, content = recommend(BATCH, context, HISTORY, ["c1", "c3"])
    assert {who: [(one["product_id"], one["by"]) for one in theirs] for who, theirs in items(found).items()} == {
        "c1": [("p3", "backup")], "c2": [("p2", "similar")], "c3": [("p3", "backup")],
    }  # fmt: skip
    assert "p4" not in content
    assert recommend(BATCH, context, HISTORY, ["c1", "c2", "c3"])[0]["item_count"].to_list() == [1, 1, 1]
