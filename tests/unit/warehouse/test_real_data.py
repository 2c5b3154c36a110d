"""Imports of real data sets, with counts that were worked out from the files by other means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from automation.plugin_manager import load_plugins
from automation.types.schema import TableName
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.importing.importer import ImportReport, import_files
from automation.warehouse.importing.mapping import parse_mapping

pytestmark = pytest.mark.data
NOW = datetime(2018, 1, 1, tzinfo=UTC)

HOUSEHOLDS = """
table: customers
columns:
  customer_id: household_id
  email: {template: "hh{household_id}@example.test"}
  age: age
  income: income
  kids: {column: kids_count, values: {"3+": "3"}}
types: {kids: integer}
consent: {email: {promotions: granted}, source: stated default}
"""
GROCERIES = """
table: products
columns:
  product_id: product_id
  name: {first: [product_type, product_category]}
  category: {first: [product_category, department]}
  brand: brand
  department: department
"""
BASKETS = """
table: events
columns:
  customer_id: household_id
  product_id: product_id
  order_id: basket_id
  occurred_at: transaction_timestamp
  type: {constant: purchase}
  quantity: quantity
  amount: sales_value
repeats: keep
"""
INVOICES = """
table: events
columns:
  customer_id: CustomerID
  product_id: StockCode
  order_id: InvoiceNo
  occurred_at: InvoiceDate
  type: {constant: purchase}
  quantity: Quantity
  amount: {multiply: [Quantity, UnitPrice]}
timezone: Europe/London
repeats: keep
skip:
  - {column: CustomerID, empty: true, reason: no customer}
  - {column: InvoiceNo, matches: "^C", reason: cancellation}
  - {column: StockCode, does_not_match: '^\\d{5}', reason: not a product}
  - {column: Quantity, at_most: 0, reason: no pieces}
  - {column: UnitPrice, at_most: 0, reason: no price}
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    warehouse = open_warehouse(tmp_path / "warehouse")
    yield warehouse
    warehouse.close()


def take(warehouse: Warehouse, table: TableName, mapping: str, path: Path) -> ImportReport:
    report = import_files(
        warehouse,
        load_plugins(),
        table,
        [path],
        parse_mapping(mapping, "mapping.yaml"),
        quarantine=warehouse.folder / "quarantine.csv",
        now=NOW,
    )
    stored = report.added + report.updated + report.unchanged + report.duplicates
    assert report.rows == stored + sum(report.skipped.values()) + report.quarantined
    return report


@pytest.mark.slow
def test_complete_journey(warehouse: Warehouse, shared_data: Path) -> None:
    folder = shared_data / "completejourney"
    households = take(warehouse, "customers", HOUSEHOLDS, folder / "demographics.csv.gz")
    groceries = take(warehouse, "products", GROCERIES, folder / "products.csv.gz")
    baskets = take(warehouse, "events", BASKETS, folder / "transactions_sample.csv.gz")
    assert (households.rows, households.added, households.notes) == (801, 801, 0)
    assert (groceries.rows, groceries.added) == (92_331, 92_331)
    assert (baskets.rows, baskets.added, baskets.quarantined) == (75_000, 75_000, 0)
    raw = pl.read_csv(folder / "transactions_sample.csv.gz", infer_schema=False)
    snapshot = warehouse.snapshot(NOW)
    assert warehouse.table("events").amount.sum().to_polars() == pytest.approx(
        raw["sales_value"].cast(pl.Float64).sum(), abs=0.01
    )
    assert snapshot.profiles.count().to_polars() == raw["household_id"].n_unique()
    again = take(warehouse, "events", BASKETS, folder / "transactions_sample.csv.gz")
    assert (again.added, again.duplicates) == (0, 75_000)


@pytest.mark.slow
def test_online_retail(warehouse: Warehouse, shared_data: Path) -> None:
    path = shared_data / "online-retail" / "online_retail.csv.gz"
    report = take(warehouse, "events", INVOICES, path)
    assert (report.rows, report.added, report.quarantined) == (541_909, 396_337, 0)
    assert report.skipped["no customer"] == 135_080
    snapshot = warehouse.snapshot(NOW)
    assert snapshot.profiles.count().to_polars() == 4_334
    raw = pl.read_csv(path, infer_schema=False).with_columns(pl.col("Quantity", "UnitPrice").cast(pl.Float64))
    clean = raw.filter(
        pl.col("CustomerID").is_not_null(),
        ~pl.col("InvoiceNo").str.starts_with("C"),
        pl.col("StockCode").str.contains(r"^\d{5}"),
        (pl.col("Quantity") > 0) & (pl.col("UnitPrice") > 0),
    )
    assert clean.height == report.added
    money = (clean["Quantity"] * clean["UnitPrice"]).sum()
    assert snapshot.profiles.monetary.sum().to_polars() == pytest.approx(money, rel=1e-9)
    dropped = take(warehouse, "events", INVOICES.replace("keep", "drop"), path)
    assert (dropped.added, dropped.duplicates) == (0, 396_337), "what was kept once is known, repeats and all"
