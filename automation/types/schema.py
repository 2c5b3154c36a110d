"""The warehouse's three tables: their declared columns, and which further ones may stand beside them.

A shop's own traits and event attributes are further columns of the same table, so that they stay typed and columnar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "number", "integer", "boolean", "date", "time"]
TableName = Literal["customers", "products", "events"]


@dataclass(frozen=True)
class TableSchema:
    """A warehouse table: `key` is unique in it; every column in `columns` always exists, nullable unless `required`."""

    name: TableName
    key: str
    columns: Mapping[str, ColumnType]
    required: tuple[str, ...]


CUSTOMERS = TableSchema(
    "customers",
    "customer_id",
    {
        "customer_id": "text",
        "email": "text",
        "phone": "text",
        "first_name": "text",
        "last_name": "text",
        "language": "text",  # BCP 47
        "country": "text",  # ISO 3166-1 alpha-2
        "city": "text",
        "postcode": "text",
        "timezone": "text",  # IANA name
        "birthday": "date",
        "created_at": "time",
    },
    ("customer_id",),
)
PRODUCTS = TableSchema(
    "products",
    "product_id",
    {
        "product_id": "text",
        "name": "text",
        "category": "text",
        "brand": "text",
        "price": "number",
        "currency": "text",
        "url": "text",
        "image_url": "text",
        "stock": "number",  # pieces; null = not tracked, so never out of stock
        "created_at": "time",
    },
    ("product_id",),
)
EVENTS = TableSchema(
    "events",
    "event_id",
    {
        "event_id": "text",
        "customer_id": "text",
        "type": "text",  # purchase, view, add_to_cart, rating, return, ...
        "occurred_at": "time",  # UTC
        "product_id": "text",
        "order_id": "text",
        "quantity": "number",
        "amount": "number",  # money for the line in the shop's currency; a rating's value
        "currency": "text",
        "message_id": "text",  # the message that it answers, where there is one
    },
    ("event_id", "customer_id", "type", "occurred_at"),
)
TABLES: Mapping[TableName, TableSchema] = {table.name: table for table in (CUSTOMERS, PRODUCTS, EVENTS)}
