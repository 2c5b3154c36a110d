"""A shop's own tables on PostgreSQL, as config.yaml maps them: read for audiences and profiles, never written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from support import postgres
from unit.rules.written import core_registry, read

from automation.errors import AutomationError, ConfigurationError
from automation.pipeline.audience import FrozenAudience, freeze
from automation.rules.segments import with_segments
from automation.types.condition import Audience
from automation.types.exchange import Exchange
from automation.types.shop_warehouse import ShopWarehouse
from automation.warehouse.remote import RemoteWarehouse, open_shop_warehouse

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SQL = """
CREATE SCHEMA crm;
CREATE TABLE crm.people (id int PRIMARY KEY, land text, since timestamptz, shoe_size int);
INSERT INTO crm.people VALUES (1, 'DE', '2024-01-01', 41), (2, 'AT', NULL, NULL), (3, 'DE', '2026-11-01', 38);
CREATE TABLE crm.sales (nr text, person int, at timestamp, paid numeric(10, 2), currency text, kind text);
INSERT INTO crm.sales VALUES ('a', 1, '2026-10-01', 100, 'USD', 'purchase'),
  ('b', 1, '2026-10-02', 8, 'EUR', 'purchase'), ('c', 2, '2026-10-03', 100, 'GBP', 'purchase'),
  ('d', 2, '2026-10-04', 4, 'USD', 'rating');
CREATE TABLE crm.orders (nr text, person int, at timestamp, eur numeric(10, 2), kind text DEFAULT 'purchase');
INSERT INTO crm.orders VALUES ('a', 1, '2026-10-01 12:00', 30.5), ('b', 1, '2026-10-02 12:00', 20),
  ('c', 2, '2026-10-31 23:59:59.999999', 99.99), ('d', 2, '2026-11-01 00:00', 500);
"""
SALES = {"event_id": "nr", "customer_id": "person", "occurred_at": "at", "type": "kind"}
TABLES = {
    "customers": {"table": "crm.people", "columns": {"customer_id": "id", "country": "land", "created_at": "since"}},
    "events": {
        "table": "crm.orders",
        "columns": {"event_id": "nr", "customer_id": "person", "occurred_at": "at", "amount": "eur", "type": "kind"},
    },
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    import psycopg

    with postgres.server() as address:
        with psycopg.connect(address) as connection:
            connection.execute(SQL)
        yield address


@pytest.fixture
def warehouse(url: str, tmp_path: Path) -> Iterator[RemoteWarehouse]:
    opened = open_shop_warehouse(tmp_path, ShopWarehouse.model_validate({"url": url, "tables": TABLES}))
    yield opened
    opened.close()


def test_an_audience_of_two_engines_is_frozen_with_traits_and_scores(
    warehouse: RemoteWarehouse, tmp_path: Path
) -> None:
    registry = core_registry()
    regulars = read({"profile": "frequency", "at_least": 2}, registry)
    data = with_segments(warehouse.snapshot(NOW), {"regulars": regulars}, {}, registry)
    rule = {"any": [{"segment": "regulars"}, {"did": "purchase", "sum": "more than 90"}]}

    condition = read({"all": [rule, {"trait": "country", "in": ["DE", "AT"]}]}, registry)
    freeze(Audience(condition), [condition], data, registry, salt="x", path=tmp_path / "members.parquet")

    rows = FrozenAudience(tmp_path / "members.parquet").batch(0).sort("customer_id")
    assert rows.select("customer_id", "leaf_0", "leaf_1", "leaf_2", "when_0", "shoe_size").rows() == [
        ("1", True, False, True, True, 41),
        ("2", False, True, True, True, None),
    ]


def test_the_best_by_a_profile_measured_here(warehouse: RemoteWarehouse) -> None:
    rows = warehouse.snapshot(NOW).profiles.to_polars().sort("customer_id")

    bought = rows.filter(pl.col("frequency") > 0)
    assert bought.select("customer_id", "frequency", "monetary").rows() == [("1", 2, 50.5), ("2", 1, 99.99)]


def test_what_came_later_is_not_there(warehouse: RemoteWarehouse) -> None:
    data = warehouse.snapshot(NOW)

    assert sorted(data.customers.to_polars()["customer_id"]) == ["1", "2"]
    assert sorted(data.events.to_polars()["event_id"]) == ["a", "b", "c"]
    assert not data.replayable
    assert data.version == "customers=-1 products=-1 events=-1 shop=customers,events@2026-11-01T00:00:00+00:00"


def test_the_shops_tables_are_never_written(warehouse: RemoteWarehouse) -> None:
    with pytest.raises(AutomationError) as caught:
        warehouse.upsert("customers", pl.DataFrame({"customer_id": ["9"]}))

    assert str(caught.value) == (
        "the table customers is read from the shop's own warehouse; change it there, "
        "or remove customers from warehouse: tables: in config.yaml"
    )


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (
            {"table": "crm.folk"},
            "warehouse.tables.customers: there is no table 'crm.folk', or no permission to read it",
        ),
        (
            {"table": "crm.people", "columns": {"customer_id": "nr"}},
            "warehouse.tables.customers.columns.customer_id: crm.people has no column 'nr'; "
            "it has id, land, since, shoe_size",
        ),
        (
            {"table": "crm.people"},
            "warehouse.tables.customers: crm.people has no column 'customer_id'; name the shop's column "
            "under columns:, such as customer_id: id",
        ),
    ],
)
def test_a_wrong_mapping_says_what_there_is(url: str, tmp_path: Path, place: dict[str, object], text: str) -> None:
    wrong = ShopWarehouse.model_validate({"url": url, "tables": {"customers": place}})

    with pytest.raises(ConfigurationError) as caught:
        open_shop_warehouse(tmp_path, wrong)

    assert str(caught.value) == text


def test_a_server_that_isnt_there_is_an_error_with_its_address(tmp_path: Path) -> None:
    nowhere = ShopWarehouse.model_validate({"url": "postgresql://reader@localhost:1/shop", "tables": TABLES})

    with pytest.raises(AutomationError, match=r"^warehouse\.url: localhost: .*[Cc]onnection refused"):
        open_shop_warehouse(tmp_path, nowhere)


def test_amounts_in_other_currencies_are_converted_by_the_stated_rates(url: str, tmp_path: Path) -> None:
    sales = {**TABLES["events"], "table": "crm.sales"}
    places = {"customers": TABLES["customers"], "events": {**sales, "columns": {**SALES, "amount": "paid"}}}
    shop = ShopWarehouse.model_validate({"url": url, "tables": places})
    opened = open_shop_warehouse(tmp_path, shop, Exchange("EUR", {"USD": 0.92}))
    try:
        rows = opened.snapshot(NOW).events.to_polars().sort("event_id")
        assert rows.select("amount", "currency").rows() == [(92.0, "EUR"), (8.0, "EUR"), (100.0, "GBP"), (4.0, "USD")]
        assert opened.read_seen().currencies == {"EUR", "GBP"}  # validate and plan refuse what has no rate
        rich = read({"did": "purchase", "sum": "at least 100 EUR"}, core_registry())
        found = freeze(
            Audience(rich), [], opened.snapshot(NOW), core_registry(), salt="x", path=tmp_path / "rich.parquet"
        )
        assert found == [["1"]]
    finally:
        opened.close()
