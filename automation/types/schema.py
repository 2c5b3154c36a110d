"""The tables that files are imported into, with their declared columns.

customers, products and events are the warehouse's: a shop's own traits and event attributes are further typed columns
of the same table. suppressions, consents and sends come from another tool and go to the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "number", "integer", "boolean", "date", "time"]
TableName = Literal["customers", "products", "events"]
MigrationTable = Literal["suppressions", "consents", "sends"]
ImportTable = Literal[TableName, MigrationTable]


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
DECISION_COLUMNS: Mapping[str, ColumnType] = {
    "customer_id": "text",
    "campaign": "text",
    "run_id": "text",
    "outcome": "text",
    "decided_at": "time",
    "variant": "text",
    "message_id": "text",
}
"""The columns of `Snapshot.decisions`, which the store's ledger fills."""
TABLES: Mapping[TableName, TableSchema] = {table.name: table for table in (CUSTOMERS, PRODUCTS, EVENTS)}


@dataclass(frozen=True)
class MigrationSchema:
    """What an export of another tool is read into: these columns only, nullable unless `required`."""

    name: MigrationTable
    columns: Mapping[str, ColumnType]
    required: tuple[str, ...]


SUPPRESSIONS = MigrationSchema(
    "suppressions",
    {
        "address": "text",  # or a whole domain, @example.org
        "channel": "text",  # null = every channel
        "topic": "text",  # null = every marketing topic, or every topic
        "reason": "text",
        "at": "time",
        "source": "text",
    },
    ("address",),
)
CONSENTS = MigrationSchema(
    "consents",
    {
        "address": "text",
        "customer_id": "text",  # instead of an address
        "channel": "text",
        "topic": "text",  # null = every marketing topic
        "granted": "boolean",
        "at": "time",
        "source": "text",
        "method": "text",
        "text_version": "text",
    },
    ("channel", "granted"),
)
SENDS = MigrationSchema(
    "sends",
    {
        "address": "text",
        "customer_id": "text",  # instead of an address
        "channel": "text",
        "topic": "text",  # null = the first marketing topic
        "campaign": "text",
        "at": "time",
    },
    ("channel", "at"),
)
MIGRATION_TABLES: Mapping[MigrationTable, MigrationSchema] = {
    table.name: table for table in (SUPPRESSIONS, CONSENTS, SENDS)
}
