"""Shopify's webhooks, turned into lines of its own exports; the preset `shopify` maps their columns."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from automation.event_types import ADD_TO_CART
from automation.store.inbox.inbox import InboxEvent
from automation.types.schema import TableName
from automation.web.api.webhooks.payload import parse_decimal, parse_time, read_field, read_list, read_text

Line = Mapping[str, str]

TABLES: Mapping[str, TableName] = {"orders": "events", "products": "products", "customers": "customers"}
"""The table of a topic such as `orders/create`, by its first part. Checkouts become events: `parse_checkout`."""
_MAX_AHEAD = timedelta(minutes=5)


def verify_signature(secret: str, body: bytes, signature: str) -> bool:
    """Whether the shop signed exactly this body (HMAC-SHA256, in base64). WooCommerce signs in the same way."""
    expected = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())
    return hmac.compare_digest(expected, signature.encode("utf-8", "replace"))


def is_about(table: TableName, document: Any) -> bool:
    """Whether the document is an order, a product or a customer: the signature does not cover the topic."""
    names = set(document) if isinstance(document, dict) else set()
    if table == "events":
        return {"line_items", "financial_status"} <= names
    return ("variants" in names) == (table == "products") and "line_items" not in names


def find_change(document: Any) -> datetime | None:
    """When the shop changed it last."""
    return parse_time(read_text(document, "updated_at")) or parse_time(read_text(document, "created_at"))


def make_lines(table: TableName, document: Any) -> list[Line]:
    """The lines that the export has for one order, product or customer; always with every column of the preset."""
    return list({"events": _order, "products": _product, "customers": _customer}[table](document))


def parse_checkout(document: Any, now: datetime) -> list[InboxEvent]:
    """A checkout's products as `add_to_cart` events: one a product and quantity, however often it is reported.

    None of a checkout that claims to be in the future: it would stay the latest event of its customer.
    """
    customer = (read_text(document, "email") or read_text(document, "phone")).strip().lower()
    at = parse_time(read_text(document, "updated_at")) or parse_time(read_text(document, "created_at"))
    token = read_text(document, "token") or read_text(document, "id")
    if not customer or not token or at is None or at > now + _MAX_AHEAD:
        return []
    return [
        InboxEvent(
            f"shopify:{token}:{product}:{read_text(item, 'quantity')}",
            customer,
            ADD_TO_CART,
            at,
            fields={
                "product_id": product,
                "quantity": _number(read_text(item, "quantity")),
                "amount": _number(read_text(item, "line_price")) or _number(read_text(item, "price")),
                **({"currency": read_text(document, "currency")} if read_text(document, "currency") else {}),
            },
        )
        for item in read_list(document, "line_items")
        if (product := read_text(item, "sku") or read_text(item, "title"))
    ]


def _order(order: Any) -> Sequence[Line]:
    """The order's own discount is in every line; what of it each line got is in the line's discount already."""
    whole = {
        "Name": read_text(order, "name"),
        "Email": read_text(order, "email") or read_text(order, "customer", "email"),
        "Phone": read_text(order, "phone") or read_text(order, "customer", "phone"),
        "Financial Status": read_text(order, "financial_status"),
        "Created at": read_text(order, "created_at"),
        "Cancelled at": read_text(order, "cancelled_at"),
        "Currency": read_text(order, "currency"),
        "Subtotal": read_text(order, "subtotal_price"),
        "Discount Code": ", ".join(
            filter(None, (read_text(one, "code") for one in read_list(order, "discount_codes")))
        )[:200],
        "Discount Amount": read_text(order, "total_discounts"),
    }
    return [
        {
            **whole,
            "Lineitem sku": read_text(item, "sku"),
            "Lineitem name": read_text(item, "name") or read_text(item, "title"),
            "Lineitem quantity": read_text(item, "quantity"),
            "Lineitem price": read_text(item, "price"),
            "Lineitem discount": _taken_off(item),
        }
        for item in read_list(order, "line_items")
    ]


def _taken_off(item: Any) -> str:
    """All of a line's discounts, its parts of the order's included; older versions of the API have only one's total."""
    if not isinstance(read_field(item, "discount_allocations"), list):
        return str(parse_decimal(read_text(item, "total_discount")))
    return str(sum(parse_decimal(read_text(one, "amount")) for one in read_list(item, "discount_allocations")))


def _product(product: Any) -> Sequence[Line]:
    pictures = {read_text(one, "id"): read_text(one, "src", longest=2_000) for one in read_list(product, "images")}
    whole = {
        "Handle": read_text(product, "handle"),
        "Title": read_text(product, "title"),
        "Vendor": read_text(product, "vendor"),
        "Type": read_text(product, "product_type"),
        "Product Category": read_text(product, "category", "full_name"),
        "Status": read_text(product, "status"),
        "Image Src": read_text(product, "image", "src", longest=2_000),
    }
    return [
        {
            **whole,
            "Variant SKU": read_text(variant, "sku"),
            "Variant Price": read_text(variant, "price"),
            "Variant Inventory Qty": read_text(variant, "inventory_quantity"),
            "Variant Image": pictures.get(read_text(variant, "image_id"), ""),
            "Option1 Value": read_text(variant, "option1"),
        }
        for variant in read_list(product, "variants")
    ]


def _customer(customer: Any) -> Sequence[Line]:
    return [
        {
            "Customer ID": read_text(customer, "id"),
            "Email": read_text(customer, "email"),
            "Phone": read_text(customer, "phone"),
            "First Name": read_text(customer, "first_name"),
            "Last Name": read_text(customer, "last_name"),
            "Default Address City": read_text(customer, "default_address", "city"),
            "Default Address Zip": read_text(customer, "default_address", "zip"),
            "Default Address Country Code": read_text(customer, "default_address", "country_code"),
            "Default Address Phone": read_text(customer, "default_address", "phone"),
            "Tags": read_text(customer, "tags", longest=2_000),
            "Total Orders": read_text(customer, "orders_count"),
            "Total Spent": read_text(customer, "total_spent"),
            "Accepts Email Marketing": _accepts(customer, "email_marketing_consent"),
            "Accepts SMS Marketing": _accepts(customer, "sms_marketing_consent"),
        }
    ]


def _accepts(customer: Any, which: str) -> str:
    """Only `subscribed` is a yes: `pending` waits for a confirmation that Shopify asks for."""
    state = read_text(customer, which, "state")
    return "yes" if state == "subscribed" else "no" if state else ""


def _number(written: str) -> float:
    return float(parse_decimal(written))
