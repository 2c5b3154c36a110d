"""The rivals of `audience.py` that have no columns: SQLite, and a script that loops over customers."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlmodel import Field, Session, SQLModel, create_engine, select

from automation.types.schema import TableName
from automation.warehouse.embedded import Warehouse

SAMPLE = "%00"  # of a hundred customers one has such a number
_COLUMNS: Mapping[TableName, str] = {
    "customers": "customer_id, country",
    "products": "product_id, category",
    "events": "event_id, customer_id, type, occurred_at, product_id, order_id, amount",
}
_ROWS = 50_000


def fill(path: Path, warehouse: Warehouse) -> None:
    """The columns that the queries read, with the index that serves every question about a customer."""
    with closing(sqlite3.connect(path)) as connection, warehouse.cursor() as cursor:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        for name, listed in _COLUMNS.items():
            key = listed.split(",", maxsplit=1)[0]
            connection.execute(f"CREATE TABLE {name} ({listed.replace(key, key + ' PRIMARY KEY', 1)})")
            warehouse.connection.create_view("source", warehouse.table(name), overwrite=True)
            wanted = listed.replace("occurred_at", "epoch_us(occurred_at)")
            rows = cursor.execute(f"SELECT {wanted} FROM source ORDER BY {key}")
            marks = ", ".join("?" * len(listed.split(",")))
            while part := rows.fetchmany(_ROWS):
                connection.executemany(f"INSERT INTO {name} VALUES ({marks})", part)
        connection.execute("CREATE INDEX by_customer ON events (customer_id, type, occurred_at)")
        connection.execute("ANALYZE")
        connection.commit()


def index_by_type(path: Path) -> None:
    """A further index, made for rules about the last days: it helps SQLite with a and d, and harms the others."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE INDEX by_type ON events (type, occurred_at)")
        connection.execute("ANALYZE")
        connection.commit()


class Deed(SQLModel, table=True):
    __tablename__ = "events"

    event_id: str = Field(primary_key=True)
    customer_id: str
    type: str
    occurred_at: int
    product_id: str | None
    order_id: str | None


class Ware(SQLModel, table=True):
    __tablename__ = "products"

    product_id: str = Field(primary_key=True)
    category: str


class Person(SQLModel, table=True):
    __tablename__ = "customers"

    customer_id: str = Field(primary_key=True)
    country: str


def loop(path: Path, countries: list[str], category: str, since: tuple[int, int, int]) -> int:
    """Query a for one customer of a hundred, one after the other, as a script would ask.

    `since`: the instants 90 and 30 days before the end, and the end, in microseconds.
    """
    quarter, month, end = since
    found = 0
    engine = create_engine(f"sqlite:///{path}")
    with Session(engine) as session:
        for person in session.exec(select(Person).where(Person.customer_id.like(SAMPLE))).all():  # type: ignore[attr-defined]
            if person.country not in countries:
                continue
            mine = select(Deed).where(Deed.customer_id == person.customer_id, Deed.occurred_at < end)
            if session.exec(mine.where(Deed.type == "email_open", Deed.occurred_at >= month)).first() is not None:
                continue
            bought = session.exec(mine.where(Deed.type == "purchase", Deed.occurred_at >= quarter)).all()
            wares = [(deed, session.get(Ware, deed.product_id)) for deed in bought]
            orders = {deed.order_id for deed, ware in wares if ware and ware.category == category}
            found += len(orders) >= 2
    engine.dispose()
    return found
