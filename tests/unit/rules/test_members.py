"""Members found by joins are those whose leaves, asked one by one for everybody, make the condition true."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from unit.rules.oracle import Shop, members
from unit.rules.strategies import conditions, shops
from unit.rules.written import core_registry, read, snapshot_of

from automation.rules.compiler import evaluate, select_members

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

YES = {"trait": "country", "is": "DE"}
BOUGHT = {"did": "purchase"}


@pytest.fixture(scope="module")
def connection() -> Iterator[Backend]:
    made = ibis.duckdb.connect(threads=1)
    yield made
    made.disconnect()


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shop=shops(), first=conditions(1), second=conditions(2))
def test_members_and_their_leaves_are_the_oracles(connection: Backend, shop: Shop, first: Any, second: Any) -> None:
    registry = core_registry()
    data = snapshot_of(shop)
    for written in ({"all": [first, second]}, {"not": {"any": [first, second]}}, second):
        condition = read(written, registry)

        found = connection.to_polars(select_members(condition, data, registry)).sort("customer_id")

        everybody = connection.to_polars(evaluate([condition], data, registry)).sort("customer_id")
        assert set(found["customer_id"]) == members(written, shop), written
        assert found.equals(everybody.filter(everybody["holds_0"]).drop("holds_0")), written


@pytest.mark.parametrize(
    "written",
    [{"all": [YES, {"not": YES}]}, {"all": [BOUGHT, {"all": [YES, {"not": {"any": [BOUGHT, YES]}}]}]}, {"any": []}],
)
def test_what_contradicts_itself_has_no_members(connection: Backend, written: Any) -> None:
    registry = core_registry()
    shop = snapshot_of(Shop(datetime(2026, 1, 1, tzinfo=UTC), "UTC", [{"customer_id": "c1", "country": "DE"}]))

    assert connection.to_polars(select_members(read(written, registry), shop, registry)).is_empty()
