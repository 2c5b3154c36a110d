"""`popular` on the toy shop, counted by hand, and the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from automation.errors import AutomationError, BadArtifact, NotEnoughData
from automation.testing.recommender import check_recommender
from automation.testing.toy_shop import toy_customers, toy_events, toy_products, toy_snapshot
from automation_popular.recommender import Popular, PopularOptions

BLOCKED = pl.DataFrame(schema={"customer_id": pl.String, "product_id": pl.String})
HISTORY = toy_events().clear().select("customer_id", "product_id", "type", "occurred_at", "amount")


def fitted(**options: Any) -> Popular:
    model = Popular(PopularOptions.model_validate(options))
    model.fit(toy_snapshot(), seed=1, parts={})
    return model


def ranking(model: Popular, **changed: Any) -> list[tuple[str, float]]:
    """The recommendations for Hana, who has no history."""
    asked: dict[str, Any] = {"allowed": toy_products()["product_id"], "blocked": BLOCKED, "k": 10} | changed
    answer = model.recommend(pl.Series(["c8"]), HISTORY, **asked)
    return list(answer.select("product_id", "score").iter_rows())


@pytest.mark.parametrize("options", [{}, {"min_products": 1}, {"weights": {"view": 1, "purchase": 5}}])
def test_keeps_the_contract(options: dict[str, Any]) -> None:
    check_recommender(lambda: Popular(PopularOptions.model_validate(options)))


def test_counts_customers_and_not_purchases() -> None:
    """In 90 days p5 was bought by Ana, Chloe and Gul (to the minute), the others by two; repeats add nothing."""
    assert ranking(fitted(min_products=5)) == [("p5", 3.0), ("p1", 2.0), ("p2", 2.0), ("p3", 2.0), ("p4", 2.0)]


def test_too_few_products_in_the_period_means_all_events() -> None:
    """Eve's p1 and Gul's p2 of long ago count too."""
    assert ranking(fitted(min_products=6)) == [("p1", 3.0), ("p2", 3.0), ("p5", 3.0), ("p3", 2.0), ("p4", 2.0)]
    assert Popular(PopularOptions()).fit(toy_snapshot(), seed=1, parts={}) == {"products": 5.0, "all_time": 1.0}
    narrow = Popular(PopularOptions(min_products=5))
    assert narrow.fit(toy_snapshot(), seed=1, parts={}) == {"products": 5.0, "all_time": 0.0}


def test_event_types_are_weighted() -> None:
    """In 30 days: p5 5+5, p3 5 (Dev) + 1 (Finn), p2 5 (Ben), p4 5 (Dev), p1 1 (Finn), p6 1 (Ana)."""
    model = fitted(in_the_last="30d", min_products=2, weights={"purchase": 5, "view": 1})
    assert ranking(model) == [("p5", 10.0), ("p3", 6.0), ("p2", 5.0), ("p4", 5.0), ("p1", 1.0), ("p6", 1.0)]


def test_blocked_products_are_replaced_by_the_next() -> None:
    blocked = pl.DataFrame({"customer_id": ["c8", "c8", "c1"], "product_id": ["p5", "p2", "p1"]})
    assert ranking(fitted(min_products=5), blocked=blocked, k=2) == [("p1", 2.0), ("p3", 2.0)]


def test_every_customer_gets_products_with_the_reason() -> None:
    customers = toy_customers()["customer_id"]
    answer = fitted().recommend(customers, HISTORY, k=2, allowed=toy_products()["product_id"], blocked=BLOCKED)
    assert answer.group_by("customer_id").len()["len"].to_list() == [2] * 8
    assert set(answer["reason"]) == set(Popular.reasons["en"]) == {"popular_now"}
    assert answer["because"].to_list() == [[]] * 16


def test_no_events_are_not_enough_data() -> None:
    with pytest.raises(NotEnoughData) as refused:
        Popular(PopularOptions()).fit(toy_snapshot(events=toy_events().clear()), seed=1, parts={})
    assert str(refused.value) == "not enough data: needs one event of type purchase with a product, has none"


def test_an_untrained_model_raises() -> None:
    with pytest.raises(AutomationError, match="popular is not trained yet; run `automation train`"):
        ranking(Popular(PopularOptions()))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("scores", np.zeros(5, np.float32), "'scores' must be float64 with 1 dimension"),
        ("scores", np.zeros((5, 1)), "'scores' must be float64 with 1 dimension"),
        ("scores", np.zeros(4), "differ in length"),
        ("products", np.frombuffer(b'["p1"', np.uint8), "'products' can't be read"),
        ("products", np.frombuffer(b'{"p1": 1}', np.uint8), "differ in length"),
    ],
)
def test_invalid_arrays_are_refused(name: str, array: Any, message: str) -> None:
    arrays = dict(fitted().save()) | {name: array}
    with pytest.raises(BadArtifact) as refused:
        Popular(PopularOptions()).load(arrays, parts={})
    assert message in str(refused.value)


def test_a_weight_must_be_positive() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        PopularOptions.model_validate({"weights": {"return": -1}})
