"""The compiled audience is the oracle's, for shops and rules that nobody thought of.

1,200 shops with rules, or 50,000 with `HYPOTHESIS_PROFILE=nightly` in the environment.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from unit.rules.oracle import Shop, members
from unit.rules.strategies import cases
from unit.rules.written import core_registry, read, snapshot_of

from automation.rules.compiler import evaluate
from automation.types.condition import leaves

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

MANY_OBJECTS = 2_000_000
PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("ordinary", max_examples=1_200, deadline=None, suppress_health_check=PATIENT)
settings.register_profile("nightly", max_examples=50_000, deadline=None, suppress_health_check=PATIENT)


@pytest.fixture(scope="module")
def connection() -> Iterator[Backend]:
    made = ibis.duckdb.connect(threads=1)
    yield made
    made.disconnect()


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Ibis makes many circles of objects, whose search takes a fifth of the time; they are few enough to keep."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.slow
@pytest.mark.usefixtures("uncollected")
@settings(settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary")))
@given(case=cases())
def test_the_compiled_audience_is_the_oracles(connection: Backend, case: tuple[Shop, dict[str, Any]]) -> None:
    shop, written = case
    registry = core_registry()
    condition = read(written, registry)

    rows = connection.to_polars(evaluate([condition], snapshot_of(shop), registry))

    assert sorted(rows["customer_id"]) == sorted(customer["customer_id"] for customer in shop.customers)
    assert set(rows.filter(rows["holds_0"])["customer_id"]) == members(written, shop), written
    for n, leaf in enumerate(leaves(condition)):
        assert set(rows.filter(rows[f"leaf_{n}"])["customer_id"]) == members(json.loads(leaf.text), shop), leaf.text
    if gc.get_count()[0] > MANY_OBJECTS:
        gc.collect()
