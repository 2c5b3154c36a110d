"""Who comes first, by every kind of value; the oracle must agree."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import ibis
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.rules.oracle import Shop, ranked
from unit.rules.strategies import rankings, shops
from unit.rules.written import core_registry, read_ranking, snapshot_of

from automation.contracts import Snapshot
from automation.errors import ConfigurationError
from automation.rules.ranking import rank_customers
from automation.testing.toy_shop import toy_snapshot

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

REGISTRY = core_registry()


@pytest.fixture(scope="module")
def connection() -> Iterator[Backend]:
    made = ibis.duckdb.connect(threads=1)
    yield made
    made.disconnect()


def ranking(by: str | Mapping[str, Any], data: Snapshot) -> list[tuple[str, float]]:
    return list(rank_customers(data.customers, read_ranking(by, REGISTRY), data).to_polars().iter_rows())


@pytest.mark.parametrize(
    ("by", "found"),
    [
        ("points", ["c3", "c1", "c2", "c7", "c6", "c4"]),  # 540.5, 320, 120, 60, 5, 0
        ("frequency", ["c3", "c1", "c2", "c7", "c4", "c5"]),  # 4, 3, 2, 2, 1 and 1 days with a purchase
        ("churn_risk", ["c5", "c1", "c2"]),  # 0.9, then 0.5 twice, c8 without a score
    ],
)
def test_the_highest_come_first_and_equal_ones_by_id(by: str, found: list[str]) -> None:
    scores = pl.DataFrame({"customer_id": ["c2", "c1", "c5", "c8"], "score": [0.5, 0.5, 0.9, None]})
    data = replace(toy_snapshot(), segments={"churn_risk": ibis.memtable(scores)})

    assert [customer for customer, _ in ranking(by, data)][: len(found)] == found


def test_nobody_without_a_value_is_ranked() -> None:
    assert sorted(customer for customer, _ in ranking("monetary", toy_snapshot())) == [
        "c1", "c2", "c3", "c4", "c5", "c7",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("by", "text"),
    [
        ("tier", "by: trait 'tier' is not a number, so customers can't be ranked by it"),
        ("pionts", "by: no segment, profile field or trait is called 'pionts'; did you mean 'points'?"),
        ({"did": "purchase", "sum": "product_id"}, "by: attribute 'product_id' is not a number, so it has no sum"),
        ({"did": "purchase", "sum": "colour"}, "where: neither events nor products have 'colour'"),
    ],
)
def test_a_value_must_be_a_number_that_exists(by: str, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ranking(by, toy_snapshot())

    assert str(caught.value).startswith(text)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(shop=shops(), by=st.lists(rankings(), min_size=2, max_size=2))
def test_the_order_is_the_oracles(connection: Backend, shop: Shop, by: list[Any]) -> None:
    data = snapshot_of(shop)
    for one in by:
        found = [(customer, Decimal(str(value))) for customer, value in ranking(one, data)]
        expected = ranked(one, shop)
        assert [customer for customer, _ in found] == [customer for customer, _ in expected], one
        assert all(
            abs(value - other[1]) < Decimal("0.000002") for (_, value), other in zip(found, expected, strict=True)
        )
    gc.collect(0)
