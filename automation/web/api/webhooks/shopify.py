"""Shopify's webhooks, as the lines of its own exports: the preset for those says what the columns mean."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from automation.event_types import ADD_TO_CART
from automation.inbound.provider_reports import at, instant, text
from automation.store.inbox.inbox import InboxEvent
from automation.types.schema import TableName

Line = Mapping[str, str]

TABLES: Mapping[str, TableName] = {"orders": "events", "products": "products", "customers": "customers"}
"""What a topic such as `orders/create` is about, by its first part. Checkouts are events already: `carts`."""


def genuine(secret: str, body: bytes, signature: str) -> bool:
    """Whether the shop signed exactly this body (HMAC-SHA256, in base64). WooCommerce signs in the same way."""
    expected = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())
    return hmac.compare_digest(expected, signature.encode("utf-8", "replace"))


def lines(table: TableName, document: Any) -> list[Line]:
    """The export's lines of one order, product or customer."""
    made = {"events": _order, "products": _product, "customers": _customer}[table](document)
    return [{name: value for name, value in line.items() if value != ""} for line in made]


def carts(document: Any) -> list[InboxEvent]:
    """A checkout's products as events `add_to_cart`: one a product and quantity, however often it is reported."""
    customer = (text(document, "email") or text(document, "phone")).strip().lower()
    moment = instant(text(document, "updated_at")) or instant(text(document, "created_at"))
    token = text(document, "token") or text(document, "id")
    if not customer or not token or moment is None:
        return []
    return [
        InboxEvent(
            f"shopify:{token}:{product}:{text(item, 'quantity')}",
            customer,
            ADD_TO_CART,
            moment,
            fields={
                "product_id": product,
                "quantity": _number(text(item, "quantity")),
                "amount": _number(text(item, "line_price")) or _number(text(item, "price")),
                **({"currency": text(document, "currency")} if text(document, "currency") else {}),
            },
        )
        for item in _list(document, "line_items")
        if (product := text(item, "sku") or text(item, "title"))
    ]


def _order(order: Any) -> Sequence[Line]:
    whole = {
        "Name": text(order, "name"),
        "Email": text(order, "email") or text(order, "customer", "email"),
        "Phone": text(order, "phone") or text(order, "customer", "phone"),
        "Financial Status": text(order, "financial_status"),
        "Created at": text(order, "created_at"),
        "Cancelled at": text(order, "cancelled_at"),
        "Currency": text(order, "currency"),
    }
    return [
        {
            **whole,
            "Lineitem sku": text(item, "sku"),
            "Lineitem name": text(item, "name") or text(item, "title"),
            "Lineitem quantity": text(item, "quantity"),
            "Lineitem price": text(item, "price"),
            "Lineitem discount": str(sum(_decimal(text(one, "amount")) for one in _list(item, "discount_allocations"))),
        }
        for item in _list(order, "line_items")
    ]


def _product(product: Any) -> Sequence[Line]:
    pictures = {text(one, "id"): text(one, "src", longest=2_000) for one in _list(product, "images")}
    whole = {
        "Handle": text(product, "handle"),
        "Title": text(product, "title"),
        "Vendor": text(product, "vendor"),
        "Type": text(product, "product_type"),
        "Product Category": text(product, "category", "full_name"),
        "Status": text(product, "status"),
        "Image Src": text(product, "image", "src", longest=2_000),
    }
    return [
        {
            **whole,
            "Variant SKU": text(variant, "sku"),
            "Variant Price": text(variant, "price"),
            "Variant Inventory Qty": text(variant, "inventory_quantity"),
            "Variant Image": pictures.get(text(variant, "image_id"), ""),
            "Option1 Value": text(variant, "option1"),
        }
        for variant in _list(product, "variants")
    ]


def _customer(customer: Any) -> Sequence[Line]:
    return [
        {
            "Customer ID": text(customer, "id"),
            "Email": text(customer, "email"),
            "Phone": text(customer, "phone"),
            "First Name": text(customer, "first_name"),
            "Last Name": text(customer, "last_name"),
            "Default Address City": text(customer, "default_address", "city"),
            "Default Address Zip": text(customer, "default_address", "zip"),
            "Default Address Country Code": text(customer, "default_address", "country_code"),
            "Default Address Phone": text(customer, "default_address", "phone"),
            "Tags": text(customer, "tags", longest=2_000),
            "Total Orders": text(customer, "orders_count"),
            "Total Spent": text(customer, "total_spent"),
            "Accepts Email Marketing": _accepts(customer, "email_marketing_consent"),
            "Accepts SMS Marketing": _accepts(customer, "sms_marketing_consent"),
        }
    ]


def _accepts(customer: Any, which: str) -> str:
    """Only `subscribed` is a yes: `pending` waits for a confirmation that Shopify asks for."""
    state = text(customer, which, "state")
    return "yes" if state == "subscribed" else "no" if state else ""


def _list(document: Any, *path: str) -> list[Any]:
    found = at(document, *path)
    return found[:1_000] if isinstance(found, list) else []


def _decimal(written: str) -> Decimal:
    try:
        found = Decimal(written or "0")
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() else Decimal(0)


def _number(written: str) -> float:
    return float(_decimal(written))
