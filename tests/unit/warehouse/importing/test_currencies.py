"""Amounts in another currency are converted by the shop's rates, or refused; never counted as the shop's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from automation.plugin_manager import load_plugins
from automation.types.exchange import Exchange
from automation.types.schema import TableName
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.importing.importer import ImportReport, import_files
from automation.warehouse.importing.mapping import parse_mapping

NOW = datetime(2026, 3, 30, 9, tzinfo=UTC)
ORDERS = """who,what,when,paid,money
c1,purchase,2026-03-01,10,EUR
c1,purchase,2026-03-02,10,USD
c1,purchase,2026-03-03,10,GBP
c2,purchase,2026-03-04,10,
c2,rating,2026-03-05,4,GBP
c2,view,2026-03-06,,GBP
"""
MAPPING = """
table: events
columns: {customer_id: who, type: what, occurred_at: when, amount: paid, currency: money}
"""
RATES = Exchange("EUR", {"USD": 0.92})


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    opened = open_warehouse(tmp_path / "warehouse")
    yield opened
    opened.close()


def load(
    warehouse: Warehouse, table: TableName, mapping: str, text: str, exchange: Exchange, folder: Path
) -> ImportReport:
    (folder / "a.csv").write_text(text)
    parsed = parse_mapping(mapping, "mapping.yaml")
    paths = [folder / "a.csv"]
    return import_files(
        warehouse, load_plugins(), table, paths, parsed, quarantine=folder / "q.csv", now=NOW, exchange=exchange
    )


def amounts(warehouse: Warehouse) -> list[tuple[str, float | None, str | None]]:
    rows = warehouse.table("events").to_polars().sort("occurred_at").select("customer_id", "amount", "currency")
    return list(rows.iter_rows())


def test_amounts_are_converted_by_the_stated_rate_or_quarantined(warehouse: Warehouse, tmp_path: Path) -> None:
    report = load(warehouse, "events", MAPPING, ORDERS, RATES, tmp_path)

    assert (report.added, report.quarantined) == (5, 1)
    assert amounts(warehouse) == [
        ("c1", 10.0, "EUR"),
        ("c1", 9.2, "EUR"),
        ("c2", 10.0, None),
        ("c2", 4.0, "GBP"),  # a rating is no money
        ("c2", None, "GBP"),
    ]
    (refused,) = pl.read_csv(tmp_path / "q.csv").rows(named=True)
    assert (refused["row"], refused["kind"], refused["column"], refused["value"]) == (3, "row", "currency", "GBP")
    assert refused["reason"].startswith("is GBP, and the shop's currency is EUR; write in config.yaml what one GBP is")
    assert warehouse.read_seen().currencies == {"EUR"}


def test_the_same_file_changes_nothing_although_the_rate_did(warehouse: Warehouse, tmp_path: Path) -> None:
    load(warehouse, "events", MAPPING, ORDERS, RATES, tmp_path)

    again = load(warehouse, "events", MAPPING, ORDERS, Exchange("EUR", {"USD": 0.5, "GBP": 1.2}), tmp_path)

    assert (again.added, again.duplicates, again.quarantined) == (1, 5, 0)  # the amount that had no rate before
    assert ("c1", 12.0, "EUR") in amounts(warehouse)
    assert ("c1", 9.2, "EUR") in amounts(warehouse)


def test_prices_too(warehouse: Warehouse, tmp_path: Path) -> None:
    mapping = "table: products\ncolumns: {product_id: id, price: price, currency: money}\n"
    report = load(warehouse, "products", mapping, "id,price,money\np1,100,USD\np2,7,EUR\np3,5,GBP\n", RATES, tmp_path)

    assert (report.added, report.quarantined) == (2, 1)
    rows = warehouse.table("products").select("product_id", "price", "currency").to_polars().sort("product_id").rows()
    assert rows == [("p1", 92.0, "EUR"), ("p2", 7.0, "EUR")]


def test_without_rates_the_shops_own_amounts_stay_as_they_are(warehouse: Warehouse, tmp_path: Path) -> None:
    report = load(warehouse, "events", MAPPING, ORDERS, Exchange("GBP"), tmp_path)

    assert report.quarantined == 2
    assert ("c1", 10.0, "GBP") in amounts(warehouse)
