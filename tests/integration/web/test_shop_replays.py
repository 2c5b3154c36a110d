"""A shop's signature has no time and does not cover the topic: a repeated call changes nothing newer than itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from support.web import Shop
from support.webhooks import shopify, woocommerce

from automation.inbound.shop_reports import import_shop_reports
from automation.store.inbox.shop_reports import KEEP

MIA = {"id": 77, "email": "mia@example.org", "created_at": "2026-01-01T10:00:00Z"}
YES = {**MIA, "updated_at": "2026-02-01T10:00:00Z", "email_marketing_consent": {"state": "subscribed"}}
NO = {**MIA, "updated_at": "2026-02-02T10:00:00Z", "email_marketing_consent": {"state": "unsubscribed"}}
Call = Callable[..., httpx.Response]


def consents(shop: Shop) -> set[int]:
    import_shop_reports(shop.workspace)
    return {granted for (granted,) in shop.rows("SELECT granted FROM consent WHERE customer_id = 'mia@example.org'")}


def test_a_repeated_yes_does_not_lift_a_later_no(shop: Shop) -> None:
    shopify(shop, "customers/update", YES)
    assert consents(shop) == {1}
    shopify(shop, "customers/update", NO)
    assert shopify(shop, "customers/update", YES).json() == {"stored": 0}  # before the import
    assert consents(shop) == {0}
    shop.move(timedelta(days=400))
    assert shopify(shop, "customers/update", YES).json() == {"stored": 0}  # and long after
    assert shopify(shop, "customers/create", YES, key="9").json() == {"stored": 0}
    assert consents(shop) == {0}
    again = {**YES, "updated_at": "2026-02-03T10:00:00Z"}
    assert shopify(shop, "customers/update", again).json() == {"stored": 1}
    assert consents(shop) == {1}


def test_two_changes_of_one_second_both_count_and_each_once(shop: Shop) -> None:
    no = {**NO, "updated_at": YES["updated_at"]}
    assert [shopify(shop, "customers/update", one).json()["stored"] for one in (YES, no, YES, no)] == [1, 1, 0, 0]
    assert consents(shop) == {0}


@pytest.mark.parametrize(
    ("call", "topic", "old", "new"),
    [
        (
            woocommerce, "product.updated",
            {"id": 9, "sku": "w1", "name": "Whisk", "regular_price": "12", "date_modified_gmt": "2026-02-01T10:00:00"},
            {"id": 9, "sku": "w1", "name": "Whisk", "regular_price": "15", "date_modified_gmt": "2026-02-01T10:00:01"},
        ),
        (
            shopify, "products/update",
            {"id": 9, "updated_at": "2026-02-01T10:00:00+01:00", "variants": [{"sku": "s1", "price": "12"}]},
            {"id": 9, "updated_at": "2026-02-01T09:00:01Z", "variants": [{"sku": "s1", "price": "15"}]},
        ),
    ],
)  # fmt: skip
def test_an_older_change_does_not_replace_a_newer_one(shop: Shop, call: Call, topic: str, old: Any, new: Any) -> None:
    assert [call(shop, topic, one).json()["stored"] for one in (new, old)] == [1, 0]
    import_shop_reports(shop.workspace)
    assert call(shop, topic, old).json() == {"stored": 0}
    assert shop.rows("SELECT count(*) FROM shop_report WHERE lines <> ''") == [(0,)]


ORDER = {"id": 1, "name": "#1", "email": "ana@example.org", "financial_status": "paid", "line_items": [{"sku": "p1"}]}
PRODUCT = {"id": 2, "variants": [{"sku": "p9", "price": "1"}]}
CHECKOUT = {"token": "c", "id": 3, "email": "ana@example.org", "line_items": [{"sku": "p1"}], "name": "#2"}
WOO_ORDER = {"id": 1, "number": "1", "billing": {"email": "ana@example.org"}, "line_items": [{"sku": "p1"}]}
WOO_PRODUCT = {"id": 2, "sku": "p9", "name": "Pot", "regular_price": "1"}
WOO_CUSTOMER = {"id": 3, "email": "ana@example.org", "username": "ana"}


@pytest.mark.parametrize(
    ("call", "topic", "document"),
    [
        (shopify, "customers/update", ORDER),
        (shopify, "customers/update", PRODUCT),
        (shopify, "customers/update", CHECKOUT),
        (shopify, "products/update", ORDER),
        (shopify, "products/update", MIA),
        (shopify, "orders/paid", CHECKOUT),
        (shopify, "orders/paid", MIA),
        (shopify, "orders/paid", PRODUCT),
        (woocommerce, "customer.updated", WOO_ORDER),
        (woocommerce, "customer.updated", WOO_PRODUCT),
        (woocommerce, "product.updated", WOO_CUSTOMER),
        (woocommerce, "product.updated", WOO_ORDER),
        (woocommerce, "order.updated", WOO_CUSTOMER),
        (woocommerce, "order.updated", WOO_PRODUCT),
    ],
)
def test_a_document_under_another_topic_is_not_taken(shop: Shop, call: Call, topic: str, document: Any) -> None:
    assert call(shop, topic, document).json() == {"stored": 0}


def test_which_orders_were_reported_is_kept_for_a_while_and_without_personal_data(shop: Shop) -> None:
    shopify(shop, "orders/paid", ORDER)
    shopify(shop, "customers/update", {**MIA, "id": None})
    import_shop_reports(shop.workspace)
    kept = str(shop.rows("SELECT * FROM shop_report"))
    assert "example.org" not in kept
    shop.move(KEEP + timedelta(days=1))
    shopify(shop, "orders/paid", {**ORDER, "id": 2, "name": "#2"})
    import_shop_reports(shop.workspace)
    assert shop.rows("SELECT table_name, count(*) FROM shop_report GROUP BY 1 ORDER BY 1") == [
        ("customers", 1),
        ("events", 1),
    ]
