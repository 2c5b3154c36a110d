"""An amount in another currency reaches a customer's profile in the shop's, or stops a plan; it is never lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from support.toy_project import CONFIG, toy_project

from automation.errors import ConfigurationError
from automation.inbound.flush import flush_events
from automation.runner.plan import plan
from automation.runner.validation import validate
from automation.store.inbox import inbox
from automation.store.inbox.inbox import InboxEvent
from automation.testing.toy_shop import TOY_AS_OF, toy_events

RATES = CONFIG.replace("timezone: Europe/Berlin,", "timezone: Europe/Berlin, rates: {USD: 0.92},")
BOUGHT = InboxEvent(
    "posted", "c6", "purchase", TOY_AS_OF - timedelta(hours=1), fields={"amount": 100.0, "currency": "USD"}
)


def test_a_posted_amount_is_converted_when_it_reaches_the_warehouse(tmp_path: Path) -> None:
    with toy_project(tmp_path, config=RATES) as toy:
        with toy.store.transaction() as connection:
            inbox.add_events(connection, [BOUGHT], now=TOY_AS_OF)
        warehouse = toy.warehouse()
        flush_events(toy, warehouse)
        data = warehouse.snapshot(TOY_AS_OF)
        profiles = data.profiles.filter(data.profiles.customer_id == "c6").to_polars()
        warehouse.close()

    assert profiles["monetary"].to_list() == [92.0]


def test_amounts_that_cannot_be_counted_are_found_by_validate_and_plan(tmp_path: Path) -> None:
    with toy_project(tmp_path) as toy:
        assert plan(toy, "toy").audience == 6
        dollars = toy_events().head(1).with_columns(pl.lit("USD").alias("currency"), pl.lit("x").alias("event_id"))
        warehouse = toy.warehouse()
        warehouse.append_events(dollars)
        warehouse.close()

        (found,) = validate(tmp_path).problems
        with pytest.raises(ConfigurationError) as caught:
            plan(toy, "toy")

    assert found.severity == "error"
    assert found.what.startswith("the data has amounts in USD, which can't be counted as EUR")
    assert str(found) in str(caught.value)
