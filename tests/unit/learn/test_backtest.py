"""A shop of 30 customers, every answer worked out by hand.

Before the cut everybody bought p0; customers 0 to 19 bought p1 and 20 to 29 bought p2. Afterwards everybody buys p3,
which only customer 0 had bought before, and customers 20 to 29 buy p1 as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel

from automation.contracts import Model, Options, Snapshot
from automation.errors import NotEnoughData
from automation.learn.backtest import BacktestSettings, backtest
from automation.testing.toy_shop import toy_events, toy_snapshot

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
CUT = AS_OF - timedelta(days=30)
EARLY, LATE = CUT - timedelta(days=5), CUT + timedelta(days=5)


class FixedOptions(Options):
    products: tuple[str, ...]


class Fixed:
    """Recommends the products of its options, in that order, to everybody."""

    Options: ClassVar[type[BaseModel]] = FixedOptions

    def __init__(self, options: Any) -> None:
        self.products = options.products
        self.seen_until: datetime | None = None

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        self.seen_until = data.events.occurred_at.max().to_pyarrow().as_py()
        return {}

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        return {}

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        pass

    def recommend(
        self, customers: pl.Series, history: pl.DataFrame, *, k: int, allowed: pl.Series, blocked: pl.DataFrame
    ) -> pl.DataFrame:
        assert set(history["customer_id"]) <= set(customers)
        products = pl.DataFrame({"product_id": self.products}).with_row_index("place")
        pairs = pl.DataFrame({"customer_id": customers}).join(products, how="cross")
        return pairs.join(blocked, on=["customer_id", "product_id"], how="anti").select(
            "customer_id",
            "product_id",
            score=-pl.col("place").cast(pl.Float64),
            reason=pl.lit("fixed"),
            because=pl.lit([], pl.List(pl.String)),
        )


def lines(customers: range, product: str, at: datetime) -> list[dict[str, Any]]:
    return [
        {
            "event_id": f"{n}{product}{at:%d}",
            "customer_id": f"c{n}",
            "type": "purchase",
            "occurred_at": at,
            "product_id": product,
        }
        for n in customers
    ]


def shop() -> pl.DataFrame:
    rows = [
        *lines(range(30), "p0", EARLY),
        *lines(range(20), "p1", EARLY),
        *lines(range(20, 30), "p2", EARLY),
        *lines(range(1), "p3", EARLY),
        *lines(range(30), "p3", LATE),
        *lines(range(20, 30), "p1", LATE),
        *lines(range(30, 40), "p1", LATE),  # unknown before the cut: nobody could foresee them
        *lines(range(30), "p9", LATE),  # an unknown product
    ]
    return pl.concat(
        [
            toy_events().clear(),
            pl.DataFrame(rows, schema_overrides={"occurred_at": toy_events().schema["occurred_at"]}),
        ],
        how="diagonal",
    )


def at(as_of: datetime) -> Snapshot:
    return toy_snapshot(as_of, events=shop())


def run(*products: str, **settings: Any) -> dict[str, float]:
    made = Fixed(FixedOptions(products=products))
    found = backtest(lambda: made, at, AS_OF, seed=1, parts={}, settings=BacktestSettings(**settings))
    assert made.seen_until == EARLY, "it was fitted on what came after the cut"
    return found


def test_new_products_only() -> None:
    # Wanted: p3 by customers 1 to 29, and p1 by 20 to 29. Popular, less one's own: p0, p1, p2, p3 by count.
    second, third = 1 / np.log2(3), 1 / np.log2(4)
    found = run("p3")
    assert found["customers"] == 29
    assert found["ndcg_at_10"] == pytest.approx((19 * 1 + 10 * 1 / (1 + second)) / 29)
    assert found["recall_at_10"] == pytest.approx((19 + 10 * 0.5) / 29)
    # Customers 1 to 19 are shown p2, p3; customers 20 to 29 p1, p3, which is all they wanted.
    assert found["popular_ndcg_at_10"] == pytest.approx((19 * second + 10) / 29)
    assert found["popular_recall_at_10"] == 1
    assert found["coverage"] == 1 / 4
    assert (found["quality"], found["baseline"]) == (found["ndcg_at_10"], found["popular_ndcg_at_10"])
    assert third < second


def test_repeats_count_where_the_settings_say_so() -> None:
    # Customer 0 wants p3 again. Everybody is shown p0 first, then p1, p2, p3.
    second, third, fourth = (1 / np.log2(place + 1) for place in (2, 3, 4))
    found = run("p0", "p3", repeats=True)
    assert found["customers"] == 30
    assert found["ndcg_at_10"] == pytest.approx((20 * second + 10 * second / (1 + second)) / 30)
    both = (second + fourth) / (1 + second)
    assert found["popular_ndcg_at_10"] == pytest.approx((20 * fourth + 10 * both) / 30)
    assert third > fourth


def test_many_customers_are_sampled() -> None:
    assert run("p3", most_customers=21)["customers"] == 21


def test_says_when_there_is_too_little_to_judge_by() -> None:
    with pytest.raises(NotEnoughData) as caught:
        run("p3", wanted=("view",))
    assert str(caught.value) == (
        "not enough data: needs 20 customers with an event before 2026-01-30 and one of a new known product since, "
        "has 0"
    )
