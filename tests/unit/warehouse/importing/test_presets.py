"""The presets on small exports of the two shop systems, with what must come out of them worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automation.errors import ConfigurationError, SourceError
from automation.plugin_manager import Registry, load_plugins
from automation.types.schema import TableName
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.importing.importer import ImportReport, import_files
from automation.warehouse.importing.mapping import load_mapping

EXPORTS = Path(__file__).parent / "exports"
NOW = datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


class Shop:
    def __init__(self, folder: Path, registry: Registry, preset: str) -> None:
        self.warehouse: Warehouse = open_warehouse(folder / "warehouse")
        self.quarantine = folder / "quarantine.csv"
        self.registry = registry
        self.mapping = load_mapping(preset, timezone="Europe/Berlin")
        self.consents: list[pl.DataFrame] = []

    def take(self, table: TableName, export: str) -> ImportReport:
        return import_files(
            self.warehouse,
            self.registry,
            table,
            [EXPORTS / export],
            self.mapping,
            quarantine=self.quarantine,
            now=NOW,
            record_consents=self.consents.append,
        )

    def rows(self, table: TableName, *columns: str) -> list[tuple[Any, ...]]:
        return sorted(self.warehouse.table(table).select(*columns).to_polars().rows(), key=repr)

    def quarantined(self) -> list[tuple[Any, ...]]:
        return pl.read_csv(self.quarantine).select("row", "kind", "column", "reason").rows()


@pytest.fixture
def shopify(tmp_path: Path, registry: Registry) -> Iterator[Shop]:
    shop = Shop(tmp_path, registry, "shopify")
    yield shop
    shop.warehouse.close()


@pytest.fixture
def woocommerce(tmp_path: Path, registry: Registry) -> Iterator[Shop]:
    shop = Shop(tmp_path, registry, "woocommerce")
    yield shop
    shop.warehouse.close()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_shopify_customers(shopify: Shop) -> None:
    report = shopify.take("customers", "shopify_customers.csv")
    assert (report.rows, report.added, report.quarantined, report.notes) == (3, 3, 0, 0)
    columns = ("customer_id", "email", "phone", "first_name", "city", "postcode", "country", "shopify_id")
    assert shopify.rows("customers", *columns) == [
        ("+31612345678", None, "+31612345678", "Noor", None, None, None, "7003"),
        ("ana@shop.example", "ana@shop.example", "+351210000001", "Ana", "Lisboa", "1100-148", "PT", "7001"),
        ("ben@shop.example", "ben@shop.example", "+49301234567", "Ben", "Leipzig", "04109", "DE", "7002"),
    ]
    assert shopify.rows("customers", "shopify_orders", "shopify_spent", "tags") == [
        (0, 0.0, None),
        (1, 12.0, None),
        (3, 83.4, "vip, tea"),
    ]
    said = pl.concat(shopify.consents).filter(pl.col("granted")).select("customer_id", "channel", "topic")
    assert sorted(said.rows()) == [
        ("+31612345678", "sms", "newsletter"),
        ("+31612345678", "sms", "promotions"),
        ("ana@shop.example", "email", "newsletter"),
        ("ana@shop.example", "email", "promotions"),
    ]
    assert pl.concat(shopify.consents).height == 12, "three customers, two channels, two topics: each said yes or no"


def test_shopify_orders(shopify: Shop) -> None:
    report = shopify.take("events", "shopify_orders.csv")
    assert (report.lines, report.rows, report.added, report.quarantined) == (7, 7, 4, 1)
    assert report.skipped == {"cancelled order": 1, "never paid": 1}
    columns = ("customer_id", "type", "occurred_at", "order_id", "product_id", "quantity", "amount", "currency")
    assert shopify.rows("events", *columns) == [
        ("ana@shop.example", "purchase", utc(2024, 3, 1, 9), "#1004", "MUG", 1.0, 7.5, "EUR"),
        ("ana@shop.example", "purchase", utc(2024, 3, 1, 9), "#1004", "MUG", 1.0, 7.5, "EUR"),
        ("ana@shop.example", "purchase", utc(2024, 3, 1, 9), "#1004", "TEA-G-100", 2.0, 15.0, "EUR"),
        ("ben@shop.example", "return", utc(2024, 2, 1, 7), "#1003", "Espresso Beans", 1.0, 14.0, "EUR"),
    ]
    assert shopify.quarantined() == [(6, "row", "customer_id", "is missing")], "sold over the counter to nobody known"
    again = shopify.take("events", "shopify_orders.csv")
    assert (again.added, again.duplicates) == (0, 4)


@pytest.mark.parametrize("export", ["shopify_products.csv", "shopify_products_2025.csv"])
def test_shopify_products(shopify: Shop, export: str) -> None:
    report = shopify.take("products", export)
    columns = ("product_id", "name", "category", "brand", "price", "stock", "image_url", "handle", "variant")
    found = shopify.rows("products", *columns)
    image = "https://cdn.shop.example/tea.jpg"
    other = "https://cdn.shop.example/tea250.jpg" if export == "shopify_products.csv" else image
    tea = [
        ("TEA-G-100", "Green Tea", "tea", "Leaf", 8.0, 12.0, image, "green-tea", "100 g"),
        ("TEA-G-250", "Green Tea", "tea", "Leaf", 17.5, 0.0, other, "green-tea", "250 g"),
    ]
    if export == "shopify_products.csv":
        mug = "https://cdn.shop.example/mug.jpg"
        assert found == [
            ("MUG", "Mug", "Home > Mugs", "Clay", 9.9, None, mug, "mug", "Default Title"),
            *tea,
        ]
        assert report.skipped == {"line of a further image": 1, "not for sale": 1}
    else:
        assert found == tea
        assert report.skipped == {"not for sale": 1}


def test_woocommerce_customers(woocommerce: Shop) -> None:
    woocommerce.take("customers", "woo_customers.csv")
    columns = ("customer_id", "email", "name", "first_name", "country", "postcode", "created_at")
    assert woocommerce.rows("customers", *columns) == [
        ("ana@shop.example", "ana@shop.example", "Ana Silva", "Ana", "PT", "1100-148", utc(2023, 1, 5, 8)),
        ("ben@shop.example", "ben@shop.example", "Ben Berg", "Ben", "DE", "04109", None),
        ("kim1@shop.example", "kim1@shop.example", "Kim Lee", "Kim", "KR", None, None),
        ("kim2@shop.example", "kim2@shop.example", "Kim Lee", "Kim", "KR", None, None),
    ]


def test_woocommerce_products(woocommerce: Shop) -> None:
    report = woocommerce.take("products", "woo_products.csv")
    assert report.skipped == {"only groups other products": 1, "not for sale": 1}
    columns = ("product_id", "woocommerce_id", "name", "category", "price", "stock", "image_url", "brand")
    assert woocommerce.rows("products", *columns) == [
        ("MUG", "11", "Mug", "Home > Mugs", 9.9, 5.0, "https://shop.example/mug.jpg", "Clay"),
        ("TEA-100", "13", "Green Tea - 100 g, loose", None, 7.5, 12.0, None, None),
        ("Teapot", "14", "Teapot", "Home", 39.0, None, None, "Clay"),
    ]


COLUMNS = ("customer_id", "type", "occurred_at", "order_id", "product_id", "quantity", "amount")


def test_woocommerce_orders_of_the_export_plugin(woocommerce: Shop) -> None:
    report = woocommerce.take("events", "woo_orders_advanced.csv")
    assert report.skipped == {"cancelled or never paid": 2, "refunded item": 1}
    assert woocommerce.rows("events", *COLUMNS) == [
        ("ana@shop.example", "purchase", utc(2024, 3, 1, 9), "2004", "MUG", 1.0, 9.9),
        ("ana@shop.example", "purchase", utc(2024, 3, 1, 9), "2004", "TEA-100", 2.0, 15.0),
        ("ben@shop.example", "return", utc(2024, 2, 1, 7), "2003", "Teapot", 1.0, 39.0),
    ]


def test_woocommerce_orders_of_analytics_are_matched_by_name(woocommerce: Shop) -> None:
    with pytest.raises(
        ConfigurationError, match=r"find: customers\.name: the customers have no 'name'; import the cus"
    ):
        woocommerce.take("events", "woo_orders_analytics.csv")
    woocommerce.take("customers", "woo_customers.csv")
    woocommerce.take("products", "woo_products.csv")
    report = woocommerce.take("events", "woo_orders_analytics.csv")
    assert (report.lines, report.rows, report.added, report.quarantined) == (6, 8, 5, 2)
    assert report.skipped == {"cancelled or never paid": 1}
    assert woocommerce.rows("events", *COLUMNS) == [
        ("ana@shop.example", "purchase", utc(2024, 3, 1, 9), "2004", "MUG", 1.0, 8.0),
        ("ana@shop.example", "purchase", utc(2024, 3, 1, 9), "2004", "TEA-100", 2.0, 16.0),
        ("ben@shop.example", "purchase", utc(2024, 1, 17, 7), "1999", None, None, None),
        ("ben@shop.example", "purchase", utc(2024, 1, 18, 7), "2000", "Notebook", 1.0, 9.9),
        ("ben@shop.example", "return", utc(2024, 2, 1, 7), "2003", "Teapot", 1.0, 14.0),
    ]
    reason = "is not the name of exactly one of the customers"
    assert woocommerce.quarantined() == [(4, "row", "customer_id", reason)] * 2, "two customers are called Kim Lee"


def test_another_file_is_told_apart_from_what_the_preset_knows(shopify: Shop) -> None:
    with pytest.raises(SourceError) as caught:
        shopify.take("customers", "shopify_orders.csv")
    assert str(caught.value).startswith(
        f"{EXPORTS / 'shopify_orders.csv'}: the mapping shopify needs columns that the file doesn't have: "
        "'First Name' (did you mean 'Lineitem name'?), 'Last Name' (did you mean 'Lineitem name'?), "
        "'Accepts Email Marketing' (did you mean 'Accepts Marketing'?); it has 'Name', 'Email', "
    )


def test_the_quarantine_of_a_preset_names_the_item_once(woocommerce: Shop) -> None:
    woocommerce.take("customers", "woo_customers.csv")
    woocommerce.take("products", "woo_products.csv")
    woocommerce.take("events", "woo_orders_analytics.csv")
    lines = pl.read_csv(woocommerce.quarantine)["line"].to_list()
    assert all("1× Mug, 1× Notebook" in line for line in lines)
