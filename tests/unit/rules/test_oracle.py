"""The compiled audience is the oracle's, for shops and rules that nobody thought of.

2,000 shops with rules, or 50,000 with `HYPOTHESIS_PROFILE=nightly` in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.rules.oracle import Shop, members
from unit.rules.strategies import LEAF, conditions, shops
from unit.rules.written import core_registry, read, snapshot_of

from automation.rules.compiler import evaluate

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("ordinary", max_examples=2_000, deadline=None, suppress_health_check=PATIENT)
settings.register_profile("nightly", max_examples=50_000, deadline=None, suppress_health_check=PATIENT)


@pytest.fixture(scope="module")
def connection() -> Iterator[Backend]:
    made = ibis.duckdb.connect(threads=1)
    yield made
    made.disconnect()


@settings(settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary")))
@given(shop=shops(), written=st.lists(LEAF, min_size=1, max_size=3), nested=conditions(depth=4))
def test_the_compiled_audience_is_the_oracles(connection: Backend, shop: Shop, written: list[Any], nested: Any) -> None:
    written = [*written, nested]
    registry = core_registry()
    read_conditions = [read(one_condition, registry) for one_condition in written]

    rows = connection.to_polars(evaluate(read_conditions, snapshot_of(shop), registry))

    assert sorted(rows["customer_id"]) == sorted(customer["customer_id"] for customer in shop.customers)
    for n, one_condition in enumerate(written):
        assert set(rows.filter(rows[f"holds_{n}"])["customer_id"]) == members(one_condition, shop), one_condition
