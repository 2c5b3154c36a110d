"""WooCommerce's webhooks, as the lines of its exports: the preset for those says what the columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automation.inbound.provider_reports import at, text
from automation.types.schema import TableName

Line = Mapping[str, str]

TABLES: Mapping[str, TableName] = {"order": "events", "product": "products", "customer": "customers"}
"""What a topic such as `order.updated` is about, by its first part."""
_TYPES = ("simple", "variable", "grouped", "external", "variation")


def lines(table: TableName, document: Any) -> list[Line]:
    """The export's lines of one order, product or customer."""
    made = {"events": _order, "products": _product, "customers": _customer}[table](document)
    return [{name: value for name, value in line.items() if value != ""} for line in made]


def _order(order: Any) -> Sequence[Line]:
    whole = {
        "Order Number": text(order, "number"),
        "Order Status": text(order, "status"),
        "Order Date": _utc(text(order, "date_created_gmt")),
        "Email (Billing)": text(order, "billing", "email"),
    }
    return [
        {
            **whole,
            "SKU": text(item, "sku"),
            "Item Name": text(item, "name"),
            "Quantity": text(item, "quantity"),
            "Item Cost": text(item, "price"),
        }
        for item in _list(order, "line_items")
    ]


def _product(product: Any) -> Sequence[Line]:
    names = [text(one, "name") for one in _list(product, "categories")]
    brands = [text(one, "name") for one in _list(product, "brands")]
    pictures = [text(one, "src", longest=2_000) for one in _list(product, "images")]
    kind = text(product, "type")
    return [
        {
            "ID": text(product, "id"),
            "Type": kind if kind in _TYPES else "simple",
            "SKU": text(product, "sku"),
            "Name": text(product, "name"),
            "Published": "1" if text(product, "status") == "publish" else "-1",
            "Categories": ", ".join(filter(None, names)),
            "Brands": ", ".join(filter(None, brands)),
            "Sale price": text(product, "sale_price"),
            "Regular price": text(product, "regular_price") or text(product, "price"),
            "Stock": text(product, "stock_quantity"),
            "Images": ", ".join(filter(None, pictures)),
        }
    ]


def _customer(customer: Any) -> Sequence[Line]:
    name = " ".join(filter(None, (text(customer, "first_name"), text(customer, "last_name"))))
    return [
        {
            "Name": name,
            "Username": text(customer, "username"),
            "Email": text(customer, "email"),
            "Date registered": _utc(text(customer, "date_created_gmt")),
            "City": text(customer, "billing", "city"),
            "Country / Region": text(customer, "billing", "country"),
            "Postal code": text(customer, "billing", "postcode"),
        }
    ]


def _utc(written: str) -> str:
    """`date_created_gmt` comes without a zone."""
    return f"{written}Z" if written and not written.endswith("Z") else written


def _list(document: Any, name: str) -> list[Any]:
    found = at(document, name)
    return found[:1_000] if isinstance(found, list) else []
