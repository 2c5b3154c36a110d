"""WooCommerce's webhooks, turned into lines of its exports; the preset `woocommerce` maps their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from automation.types.schema import TableName
from automation.web.api.webhooks.payload import parse_decimal, parse_time, read_list, read_text

Line = Mapping[str, str]

TABLES: Mapping[str, TableName] = {"order": "events", "product": "products", "customer": "customers"}
"""The table of a topic such as `order.updated`, by its first part."""
_TYPES = ("simple", "variable", "grouped", "external", "variation")


def is_about(table: TableName, document: Any) -> bool:
    """Whether the document is an order, a product or a customer: the signature does not cover the topic."""
    names = set(document) if isinstance(document, dict) else set()
    if table == "events":
        return "line_items" in names
    product = "name" in names and not {"email", "username", "billing"} & names
    return "line_items" not in names and product == (table == "products")


def find_change(document: Any) -> datetime | None:
    """When the shop changed it last."""
    written = (read_text(document, name) for name in ("date_modified_gmt", "date_created_gmt"))
    return next((at for one in written if (at := parse_time(one))), None)


def make_lines(table: TableName, document: Any) -> list[Line]:
    """The lines that the export has for one order, product or customer; always with every column of the preset."""
    return list({"events": _order, "products": _product, "customers": _customer}[table](document))


def _order(order: Any) -> Sequence[Line]:
    whole = {
        "Order Number": read_text(order, "number"),
        "Order Status": read_text(order, "status"),
        "Order Date": _utc(read_text(order, "date_created_gmt")),
        "Email (Billing)": read_text(order, "billing", "email"),
        "Coupon Code": ", ".join(filter(None, (read_text(one, "code") for one in read_list(order, "coupon_lines"))))[
            :200
        ],
    }
    return [
        {
            **whole,
            "SKU": read_text(item, "sku"),
            "Item Name": read_text(item, "name"),
            "Quantity": read_text(item, "quantity"),
            "Item Cost": read_text(item, "price"),
            "Item Cost Before Discount": _full_price(item),
        }
        for item in read_list(order, "line_items")
    ]


def _full_price(item: Any) -> str:
    """Of one piece: `subtotal` is the line's before coupons, `total` and `price` are after them."""
    quantity, subtotal = (parse_decimal(read_text(item, name)) for name in ("quantity", "subtotal"))
    return str(subtotal / quantity) if quantity > 0 and subtotal > 0 else ""


def _product(product: Any) -> Sequence[Line]:
    names = [read_text(one, "name") for one in read_list(product, "categories")]
    brands = [read_text(one, "name") for one in read_list(product, "brands")]
    pictures = [read_text(one, "src", longest=2_000) for one in read_list(product, "images")]
    kind = read_text(product, "type")
    return [
        {
            "ID": read_text(product, "id"),
            "Type": kind if kind in _TYPES else "simple",
            "SKU": read_text(product, "sku"),
            "Name": read_text(product, "name"),
            "Published": "1" if read_text(product, "status") == "publish" else "-1",
            "Categories": ", ".join(filter(None, names)),
            "Brands": ", ".join(filter(None, brands)),
            "Sale price": read_text(product, "sale_price"),
            "Regular price": read_text(product, "regular_price") or read_text(product, "price"),
            "Stock": read_text(product, "stock_quantity"),
            "Images": ", ".join(filter(None, pictures)),
        }
    ]


def _customer(customer: Any) -> Sequence[Line]:
    name = " ".join(filter(None, (read_text(customer, "first_name"), read_text(customer, "last_name"))))
    return [
        {
            "Name": name,
            "Username": read_text(customer, "username"),
            "Email": read_text(customer, "email"),
            "Date registered": _utc(read_text(customer, "date_created_gmt")),
            "City": read_text(customer, "billing", "city"),
            "Country / Region": read_text(customer, "billing", "country"),
            "Postal code": read_text(customer, "billing", "postcode"),
        }
    ]


def _utc(written: str) -> str:
    """`date_created_gmt` has no zone of its own."""
    return f"{written}Z" if written and not written.endswith("Z") else written
