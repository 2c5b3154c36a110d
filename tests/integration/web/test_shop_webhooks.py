"""Webhooks of shops on a real server: they are imported like the shop's own exports."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.web import KEY, Shop, sent, serving
from support.webhooks import shopify, woocommerce

from automation.inbound.shop_import import import_data
from automation.inbound.shop_reports import import_shop_reports
from automation.warehouse.importing.mapping import load_mapping


def table(shop: Shop, name: str) -> pl.DataFrame:
    """What the warehouse holds once everything that waits is imported."""
    import_shop_reports(shop.workspace)
    warehouse = shop.workspace.warehouse()
    try:
        data = warehouse.snapshot(shop.workspace.clock.now() + timedelta(days=3650))
        found = getattr(data, name).to_polars()
    finally:
        warehouse.close()
    assert isinstance(found, pl.DataFrame)
    return found


ORDER = {
    "id": 1, "name": "#1001", "email": "Ana@Example.org", "financial_status": "paid", "currency": "EUR",
    "created_at": "2026-02-20T10:00:00+01:00", "cancelled_at": None,
    "line_items": [
        {"sku": "p1", "name": "Tea", "quantity": 2, "price": "4.50", "discount_allocations": [{"amount": "1.00"}]},
        {"sku": "p2", "name": "Pot", "quantity": 1, "price": "20.00", "discount_allocations": []},
    ],
}  # fmt: skip


def test_an_order_of_shopify(shop: Shop) -> None:
    assert shopify(shop, "orders/paid", ORDER).json() == {"stored": 2}
    assert shopify(shop, "orders/paid", ORDER).json() == {"stored": 0}  # the same call again
    paid = {**ORDER, "note": "paid"}
    assert shopify(shop, "orders/updated", paid, key="2").json() == {"stored": 2}  # the same order in another call
    bought = table(shop, "events").filter(pl.col("order_id") == "#1001").sort("product_id")
    assert bought.select("customer_id", "type", "product_id", "quantity", "amount").rows() == [
        ("ana@example.org", "purchase", "p1", 2.0, 8.0),
        ("ana@example.org", "purchase", "p2", 1.0, 20.0),
    ]
    assert bought["occurred_at"].unique().to_list() == [datetime(2026, 2, 20, 9, tzinfo=UTC)]
    assert shop.rows("SELECT count(*) FROM shop_report WHERE lines <> ''") == [(0,)]


def test_an_order_that_came_by_webhook_is_known_to_the_export(shop: Shop, tmp_path: Path) -> None:
    shopify(shop, "orders/paid", ORDER)
    import_shop_reports(shop.workspace)
    columns = {
        "Created at": "2026-02-20 10:00:00 +0100",
        "Email": "ana@example.org",
        "Name": "#1001",
        "Cancelled at": "",
    }
    lines = [
        {**columns, "Financial Status": "paid", "Currency": "EUR", "Phone": "", "Lineitem sku": sku,
         "Lineitem name": name, "Lineitem quantity": n, "Lineitem price": price, "Lineitem discount": discount}
        for sku, name, n, price, discount in (("p1", "Tea", 2, "4.50", "1.00"), ("p2", "Pot", 1, "20.00", "0.00"))
    ]  # fmt: skip
    path = tmp_path / "orders_export.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    report = import_data(shop.workspace, "events", [path], load_mapping("shopify"))
    assert (report.added, report.quarantined) == (0, 0)


def test_a_checkout_of_shopify_is_a_cart(shop: Shop) -> None:
    checkout = {
        "token": "c1", "email": "Ana@Example.org", "updated_at": "2026-02-20T10:00:00Z", "currency": "EUR",
        "line_items": [{"sku": "p1", "quantity": 1, "price": "4.50"}],
    }  # fmt: skip
    assert shopify(shop, "checkouts/create", checkout).json() == {"stored": 1}
    assert shopify(shop, "checkouts/update", checkout, key="2").json() == {"stored": 0}
    checkout["line_items"] = [{"sku": "p1", "quantity": 2, "price": "4.50"}]
    assert shopify(shop, "checkouts/update", checkout, key="3").json() == {"stored": 1}
    assert [(e["type"], e["customer_id"], e["product_id"], e["quantity"]) for e in shop.events()] == [
        ("add_to_cart", "ana@example.org", "p1", 1.0),
        ("add_to_cart", "ana@example.org", "p1", 2.0),
    ]
    assert shopify(shop, "checkouts/create", {**checkout, "email": None}, key="4").json() == {"stored": 0}
    ahead = {**checkout, "token": "c2", "updated_at": "2099-02-20T10:00:00Z"}
    assert shopify(shop, "checkouts/create", ahead, key="5").json() == {"stored": 0}


def test_a_product_and_a_customer_of_shopify(shop: Shop) -> None:
    product = {
        "id": 9, "handle": "oolong", "title": "Oolong", "vendor": "Leaf", "product_type": "tea", "status": "active",
        "images": [{"id": 5, "src": "https://cdn.example/5.jpg"}], "image": {"src": "https://cdn.example/1.jpg"},
        "variants": [{"sku": "t9", "price": "9.90", "inventory_quantity": 3, "image_id": 5, "option1": "100 g"}],
    }  # fmt: skip
    customer = {
        "id": 77, "email": "Mia@Example.org", "first_name": "Mia", "last_name": "Berg", "tags": "vip",
        "orders_count": 2, "total_spent": "51.00", "default_address": {"city": "Kiel", "zip": "01067"},
        "email_marketing_consent": {"state": "subscribed"},
    }  # fmt: skip
    assert shopify(shop, "products/create", product).json() == {"stored": 1}
    assert shopify(shop, "customers/create", customer, key="2").json() == {"stored": 1}
    (row,) = table(shop, "products").filter(pl.col("product_id") == "t9").to_dicts()
    assert (row["name"], row["price"], row["stock"], row["image_url"]) == (
        "Oolong",
        9.9,
        3,
        "https://cdn.example/5.jpg",
    )
    (row,) = table(shop, "customers").filter(pl.col("customer_id") == "mia@example.org").to_dicts()
    assert (row["first_name"], row["postcode"]) == ("Mia", "01067")
    granted = shop.rows("SELECT topic, granted, source FROM consent WHERE customer_id = 'mia@example.org'")
    assert ("promotions", 1, "Shopify customer export") in granted
    shopify(shop, "customers/update", {**customer, "email_marketing_consent": {"state": "unsubscribed"}}, key="3")
    import_shop_reports(shop.workspace)
    granted = shop.rows("SELECT topic, granted, source FROM consent WHERE customer_id = 'mia@example.org'")
    assert ("promotions", 0, "Shopify customer export") in granted


def test_woocommerce(shop: Shop) -> None:
    assert shop.client.post("/webhooks/woocommerce", content=b"webhook_id=5").json() == {"stored": 0}
    order = {
        "id": 501, "number": "501", "status": "processing", "date_created_gmt": "2026-02-20T09:00:00",
        "billing": {"email": "Ben@Example.org"},
        "line_items": [{"sku": "p3", "name": "Cup", "quantity": 3, "price": 2.5}],
    }  # fmt: skip
    product = {
        "id": 9, "type": "simple", "sku": "w1", "name": "Whisk", "status": "publish", "regular_price": "12.00",
        "sale_price": "", "stock_quantity": 4, "categories": [{"name": "tools"}], "images": [{"src": "https://x.example/a"}],
    }  # fmt: skip
    customer = {
        "id": 4,
        "email": "Ben@Example.org",
        "username": "ben",
        "first_name": "Ben",
        "last_name": "Ek",
        "billing": {},
    }
    assert woocommerce(shop, "order.updated", order).json() == {"stored": 1}
    assert woocommerce(shop, "product.updated", product, key="2").json() == {"stored": 1}
    assert woocommerce(shop, "customer.created", customer, key="3").json() == {"stored": 1}
    assert woocommerce(shop, "coupon.created", {}, key="4").json() == {"stored": 0}
    assert woocommerce(shop, "order.deleted", {"id": 1}, key="5").json() == {"stored": 0}
    (bought,) = table(shop, "events").filter(pl.col("order_id") == "501").to_dicts()
    assert (bought["customer_id"], bought["product_id"], bought["amount"]) == ("ben@example.org", "p3", 7.5)
    assert bought["occurred_at"] == datetime(2026, 2, 20, 9, tzinfo=UTC)
    assert table(shop, "products").filter(pl.col("product_id") == "w1")["price"].to_list() == [12.0]
    assert table(shop, "customers").filter(pl.col("customer_id") == "ben@example.org")["first_name"].to_list() == [
        "Ben"
    ]


def test_a_webhook_that_is_not_configured_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", KEY)
    with serving(sent(tmp_path)) as shop:
        answers = [shop.client.post(f"/webhooks/{name}") for name in ("shopify", "ses", "twilio", "twilio/inbound")]
        assert [answer.status_code for answer in answers] == [404] * 4
