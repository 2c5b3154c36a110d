"""Whatever a shop's webhook sends, a run and a flush go on: what can't be imported is quarantined alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from support.web import Shop
from support.webhooks import shopify, woocommerce

from automation.inbound.flush import MAX_COLUMNS, flush_events
from automation.inbound.shop_reports import import_shop_reports
from automation.store.inbox import inbox, shop_reports
from automation.store.inbox.inbox import InboxEvent
from automation.types.schema import TableName
from automation.warehouse.importing.mapping import load_mapping
from automation.web.api.webhooks import shopify as shopify_hooks
from automation.web.api.webhooks import woocommerce as woocommerce_hooks

EMPTY: Mapping[TableName, Any] = {
    "events": {"line_items": [{}]},
    "products": {"variants": [{}]},
    "customers": {},
}


def flush(shop: Shop) -> int:
    warehouse = shop.workspace.warehouse()
    try:
        return flush_events(shop.workspace, warehouse)
    finally:
        warehouse.close()


def table(shop: Shop, name: str) -> pl.DataFrame:
    warehouse = shop.workspace.warehouse()
    try:
        found = getattr(warehouse.snapshot(shop.workspace.clock.now() + timedelta(days=3650)), name).to_polars()
    finally:
        warehouse.close()
    assert isinstance(found, pl.DataFrame)
    return found


def quarantined(shop: Shop) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for path in sorted((shop.workspace.project.data_dir / "quarantine").glob("*.csv")):
        with path.open(newline="") as file:
            rows += csv.DictReader(file)
    return rows


@pytest.mark.parametrize("name", list(EMPTY))
@pytest.mark.parametrize("hooks", [shopify_hooks, woocommerce_hooks])
def test_every_column_that_the_preset_needs_is_always_written(hooks: Any, name: TableName) -> None:
    (line,) = hooks.make_lines(name, EMPTY[name])
    preset = load_mapping(hooks.__name__.rpartition(".")[2])
    lacking = [mapping.lacking(line) for mapping in preset.mappings if mapping.table == name]
    assert [] in lacking
    assert set(line.values()) <= {"", "0", "simple", "-1"}


CUSTOMER = {"id": 77, "email": "Mia@Example.org", "first_name": "Mia", "last_name": None}
ORDER = {
    "id": 1, "name": "#1", "email": None, "phone": None, "financial_status": "paid",
    "created_at": "2026-02-20T10:00:00Z", "line_items": [{"sku": "p1", "quantity": 1, "price": "4.50"}],
}  # fmt: skip
PRODUCT = {"id": 9, "handle": "oolong", "title": "Oolong", "variants": [{"sku": "t9", "price": "9.90"}]}
WOO_CUSTOMER = {"id": 4, "email": "Ben@Example.org"}
WOO_ORDER = {
    "id": 5,
    "number": "5",
    "status": "processing",
    "date_created_gmt": "2026-02-20T09:00:00",
    "line_items": [{}],
}
WOO_PRODUCT = {"id": 9, "name": "Whisk"}


@pytest.mark.parametrize(
    ("call", "topic", "document"),
    [
        (shopify, "customers/create", CUSTOMER),
        (shopify, "customers/create", {"id": 78}),
        (shopify, "orders/create", ORDER),
        (shopify, "orders/create", {"id": 2, "financial_status": None, "line_items": [{}]}),
        (shopify, "products/create", PRODUCT),
        (shopify, "products/create", {"id": 10, "variants": [{}]}),
        (woocommerce, "customer.created", WOO_CUSTOMER),
        (woocommerce, "order.created", WOO_ORDER),
        (woocommerce, "product.created", WOO_PRODUCT),
    ],
)
def test_a_report_that_lacks_fields_stops_nothing(shop: Shop, call: Any, topic: str, document: Any) -> None:
    assert call(shop, topic, document).json() == {"stored": 1}
    flush(shop)
    assert shop.rows("SELECT count(*) FROM shop_report WHERE lines <> ''") == [(0,)]


def test_a_report_that_lacks_fields_is_used_as_far_as_it_goes(shop: Shop) -> None:
    shopify(shop, "customers/create", CUSTOMER)
    shopify(shop, "orders/create", ORDER)
    flush(shop)
    (row,) = table(shop, "customers").filter(pl.col("customer_id") == "mia@example.org").to_dicts()
    assert (row["first_name"], row["last_name"]) == ("Mia", None)
    assert [(row["column"], row["reason"]) for row in quarantined(shop)] == [("customer_id", "is missing")]


def test_an_order_without_a_number_is_not_the_order_before_it(shop: Shop) -> None:
    shopify(shop, "orders/create", {**ORDER, "email": "ana@example.org"})
    shopify(shop, "orders/create", {**ORDER, "id": 2, "name": ""})
    flush(shop)
    bought = table(shop, "events").filter(pl.col("customer_id") == "ana@example.org")
    assert bought["order_id"].to_list() == ["#1"]
    assert [row["column"] for row in quarantined(shop)] == ["customer_id"]


def test_one_report_that_cannot_be_imported_is_quarantined_alone(shop: Shop) -> None:
    """Whatever it is that can't be read: here a name that no source accepts."""
    for number in range(5):
        shopify(shop, "customers/create", {"id": number, "email": f"n{number}@example.org"})
    now = shop.workspace.clock.now()
    with shop.workspace.store.transaction() as connection:
        for subject in ("x", "y"):
            line = {"_row": subject}
            call = shop_reports.ShopCall(subject, "shopify", "customers", [line], now, subject)
            assert shop_reports.save_report(connection, call, now=now)
    assert import_shop_reports(shop.workspace) == 7
    known = table(shop, "customers")["customer_id"].to_list()
    assert {f"n{number}@example.org" for number in range(5)} <= set(known)
    bad = quarantined(shop)
    assert [row["file"] for row in bad] == ["shopify-webhook"] * 2
    assert [json.loads(json.loads(row["line"])["line"])["_row"] for row in bad] == ["y", "x"]
    assert shop.rows("SELECT count(*) FROM shop_report WHERE lines <> ''") == [(0,)]
    assert import_shop_reports(shop.workspace) == 0


def test_an_event_that_cannot_be_a_row_is_quarantined_alone(shop: Shop) -> None:
    now = shop.workspace.clock.now()
    good = InboxEvent("good", "c1", "view", now, fields={"product_id": "p1"})
    with shop.workspace.store.transaction() as connection:
        inbox.add_events(connection, [good, good._replace(event_id="bad", fields={"product_id": ["p1"]})], now=now)
    assert flush(shop) == 2
    found = table(shop, "events")["event_id"].to_list()
    assert "good" in found
    assert "bad" not in found
    (row,) = quarantined(shop)
    assert "bad" in row["line"]


def test_new_attributes_get_columns_only_while_the_table_has_room(shop: Shop) -> None:
    now = shop.workspace.clock.now()
    many = [
        InboxEvent(f"e{number}", "c1", "view", now, fields={f"a{number}": 1.0, "page": "tea"}) for number in range(600)
    ]
    with shop.workspace.store.transaction() as connection:
        inbox.add_events(connection, many, now=now)
    assert flush(shop) == 600
    found = table(shop, "events").filter(pl.col("event_id").str.starts_with("e"))
    assert MAX_COLUMNS - 20 < len(found.columns) <= MAX_COLUMNS
    assert set(found.filter(pl.col("type") == "view")["page"].drop_nulls()) == {"tea"}
    with shop.workspace.store.transaction() as connection:
        inbox.add_events(connection, [many[0]._replace(event_id="late", fields={"page": "pot", "b": 1.0})], now=now)
    flush(shop)
    after = table(shop, "events")
    assert after.filter(pl.col("event_id") == "late")["page"].to_list() == ["pot"]
    assert "b" not in after.columns
