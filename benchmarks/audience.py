"""How fast four audiences are found, beside SQL by hand on the same files, SQLite, and a loop over customers.

a: bought of one category at least twice in 90 days, opened no e-mail in 30, country in a list. b: recency, frequency
and money of everybody. c: last purchase 60 to 120 days ago, over 100 spent. d: viewed in 3 days, no purchase since.
"""

from __future__ import annotations

import resource
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable
from large_shop import END, make
from measure import Measure, arguments, median_seconds, report, say, seconds
from sqlmodel import Field, Session, SQLModel, create_engine, select

from automation.contracts import Snapshot
from automation.plugin_manager import Registry
from automation.rules import core
from automation.rules.compiler import audience
from automation.types.campaign import Audience, Condition, Group, Leaf
from automation.types.schema import TableName
from automation.warehouse.connect import Warehouse, open_warehouse

COUNTRIES = ["DE", "AT"]
RULES: dict[str, list[dict[str, Any]]] = {
    "a": [
        {"did": "purchase", "times": "at least 2", "in_the_last": "90d", "where": {"category": "category 07"}},
        {"did_not": "email_open", "in_the_last": "30d"},
        {"trait": "country", "in": COUNTRIES},
    ],
    "c": [
        {"did_not": "purchase", "in_the_last": "60d"},
        {"did": "purchase", "in_the_last": "120d"},
        {"did": "purchase", "sum": "more than 100"},
    ],
    "d": [{"did": "view", "in_the_last": "3d"}, {"did_not": "purchase", "in_the_last": "3d"}],
}
# {since:N}: the instant N days before the end; {day}: the day of occurred_at. Both engines take the rest as it stands.
QUERIES = {
    "a": """SELECT customer_id FROM customers WHERE country IN ('DE', 'AT') AND customer_id IN (
  SELECT e.customer_id FROM events e JOIN products p ON p.product_id = e.product_id WHERE e.type = 'purchase'
  AND e.occurred_at >= {90} AND e.occurred_at < {0} AND p.category = 'category 07' GROUP BY e.customer_id
  HAVING count(DISTINCT e.order_id) + sum(e.order_id IS NULL) >= 2) AND customer_id NOT IN (
  SELECT customer_id FROM events WHERE type = 'email_open' AND occurred_at >= {30} AND occurred_at < {0})""",
    "b": """SELECT customer_id, max(occurred_at), count(DISTINCT {day}), sum(amount) FROM events
  WHERE type = 'purchase' AND occurred_at < {0} GROUP BY customer_id""",
    "c": """SELECT customer_id FROM customers WHERE customer_id IN (SELECT customer_id FROM events
  WHERE type = 'purchase' AND occurred_at < {0} GROUP BY customer_id
  HAVING max(occurred_at) < {60} AND max(occurred_at) >= {120} AND sum(amount) > 100)""",
    "d": """SELECT customer_id FROM customers WHERE customer_id IN (
  SELECT customer_id FROM events WHERE type = 'view' AND occurred_at >= {3} AND occurred_at < {0})
  AND customer_id NOT IN (
  SELECT customer_id FROM events WHERE type = 'purchase' AND occurred_at >= {3} AND occurred_at < {0})""",
}
DUCKDB_DAY, SQLITE_DAY = "(epoch_us(occurred_at) // 86400000000)", "(occurred_at / 86400000000)"
ROWS = 500_000


def query(name: str, instant: Callable[[int], str], day: str) -> str:
    """The query with its instants and its day, as the engine spells them."""
    text = QUERIES[name].replace("{day}", day)
    for days in (0, 3, 30, 60, 90, 120):
        text = text.replace(f"{{{days}}}", instant(days))
    return text


def aware(days: int) -> str:
    return f"TIMESTAMPTZ '{(END - timedelta(days=days)).isoformat()}'"


def micros(days: int) -> str:
    return str(int((END - timedelta(days=days)).timestamp()) * 1_000_000)


def shop(folder: Path, customers: int, events: int) -> Warehouse:
    """The made-up shop as an import would have written it."""
    raw = make(folder / "raw", customers, events, seed=1)
    warehouse = open_warehouse(folder / "warehouse")
    for name in ("customers", "products"):
        shutil.copytree(raw / name, folder / "warehouse" / name)
    warehouse.append_events(frames(raw / "events"))
    shutil.rmtree(raw)
    return warehouse


def frames(table: Path) -> Iterator[pl.DataFrame]:
    for file in DeltaTable(table).file_uris():
        yield from pl.read_parquet(file).iter_slices(100_000)


def sqlite(path: Path, warehouse: Warehouse) -> None:
    """The columns that the queries read, with the indexes that anybody would make."""
    with closing(sqlite3.connect(path)) as connection, warehouse.cursor() as cursor:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        columns: dict[TableName, str] = {
            "customers": "customer_id, country",
            "products": "product_id, category",
            "events": "event_id, customer_id, type, occurred_at, product_id, order_id, amount",
        }
        for name, listed in columns.items():
            key = listed.split(",", maxsplit=1)[0]
            connection.execute(f"CREATE TABLE {name} ({listed.replace(key, key + ' PRIMARY KEY', 1)}) WITHOUT ROWID")
            warehouse.connection.create_view("source", warehouse.table(name), overwrite=True)
            wanted = listed.replace("occurred_at", "epoch_us(occurred_at)")
            rows = cursor.execute(f"SELECT {wanted} FROM source ORDER BY {key}")
            marks = ", ".join("?" * len(listed.split(",")))
            while part := rows.fetchmany(ROWS):
                connection.executemany(f"INSERT INTO {name} VALUES ({marks})", part)
        connection.execute("CREATE INDEX by_customer ON events (customer_id, occurred_at)")
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


def loop(path: Path, share: int) -> int:
    """Query a for every `share`-th customer, one after the other, as a script would ask."""
    found = 0
    engine = create_engine(f"sqlite:///{path}")
    with Session(engine) as session:
        for number, person in enumerate(session.exec(select(Person)).all()):
            if number % share or person.country not in COUNTRIES:
                continue
            mine = select(Deed).where(Deed.customer_id == person.customer_id, Deed.occurred_at < int(micros(0)))
            opened = mine.where(Deed.type == "email_open", Deed.occurred_at >= int(micros(30)))
            bought = mine.where(Deed.type == "purchase", Deed.occurred_at >= int(micros(90)))
            if session.exec(opened).first() is not None:
                continue
            wares = [(deed, session.get(Ware, deed.product_id)) for deed in session.exec(bought).all()]
            orders = {deed.order_id for deed, ware in wares if ware and ware.category == "category 07"}
            found += len(orders) >= 2
    engine.dispose()
    return found


def rules() -> tuple[Registry, dict[str, Condition]]:
    registry = Registry()
    core.register_rules(lambda name, rule: registry.components["rules"].__setitem__(name, (rule, "core")))
    found: dict[str, Condition] = {}
    for name, written in RULES.items():
        parts: list[Condition] = []
        for one in written:
            key = next(iter(one))
            options = registry.find("rules", key).Options.model_validate(one)
            parts.append(Leaf(key, options, f"audience.all[{len(parts) + 1}]", str(one)))
        found[name] = Group("all", tuple(parts))
    return registry, found


def ours(warehouse: Warehouse, data: Snapshot) -> dict[str, Callable[[], int]]:
    """Each audience from its rule to the members' ids, compiling included."""
    registry, conditions = rules()

    def members(condition: Condition) -> int:
        found = audience(Audience(condition), data, registry, salt="x").select("customer_id")
        return int(warehouse.connection.to_pyarrow(found).num_rows)

    def profiles() -> int:
        wanted = data.profiles.select("customer_id", "recency_days", "frequency", "monetary")
        return int(warehouse.connection.to_pyarrow(wanted.filter(wanted.frequency > 0)).num_rows)

    asked = {name: partial(members, condition) for name, condition in conditions.items()}
    return {**asked, "b": profiles}


def by_hand(warehouse: Warehouse, data: Snapshot) -> dict[str, Callable[[], int]]:
    """The same questions in DuckDB's own SQL, over the same views."""
    for name in ("customers", "products", "events"):
        warehouse.connection.create_view(name, warehouse.table(name), overwrite=True)

    def asked(name: str) -> int:
        text = query(name, aware, DUCKDB_DAY)
        return int(warehouse.connection.con.execute(text).to_arrow_table().num_rows)

    return {name: partial(asked, name) for name in QUERIES}


def on_sqlite(connection: sqlite3.Connection) -> dict[str, Callable[[], int]]:
    def asked(name: str) -> int:
        return len(connection.execute(query(name, micros, SQLITE_DAY)).fetchall())

    return {name: partial(asked, name) for name in QUERIES}


def main() -> int:
    chosen = arguments(__doc__ or "")
    customers, events = (100_000, 2_000_000) if chosen.quick else (1_000_000, 20_000_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say(f"making {customers:,} customers and {events:,} events")
        warehouse = shop(folder, customers, events)
        warehouse.refresh_profiles()
        sqlite(folder / "shop.db", warehouse)
        say(f"made; this process took {peak():,.0f} MB at most so far")
        data = warehouse.snapshot(END)
        with closing(sqlite3.connect(folder / "shop.db")) as rival:
            rivals = {"ours": ours(warehouse, data), "hand": by_hand(warehouse, data), "sqlite": on_sqlite(rival)}
            for which in sorted(QUERIES):
                counted = {engine: work[which]() for engine, work in rivals.items()}
                assert len(set(counted.values())) == 1, (which, counted)
            works = {f"{engine} {which}": work for engine, asked in rivals.items() for which, work in asked.items()}
            taken = median_seconds(works, 3)
        share = 100
        looped = seconds(lambda: loop(folder / "shop.db", share)) * share
        warehouse.close()
    return report(list(lines(taken, looped, full=not chosen.quick)), chosen.format)


def lines(taken: dict[str, float], looped: float, *, full: bool) -> Iterator[Measure]:
    """SQLite keeps up where its index finds a few thousand rows, so its target is for the full size only."""
    for which in sorted(QUERIES):
        mine, hand, theirs = (taken[f"{engine} {which}"] * 1_000 for engine in ("ours", "hand", "sqlite"))
        allowed = 1.15 * hand + 30
        yield Measure(f"{which}, beside 1.15 x SQL by hand + 30 ms", mine, "ms", hand, mine / allowed, "ratio <= 1")
        yield Measure(f"{which}, beside SQLite", mine, "ms", theirs, theirs / mine, "ratio >= 5" if full else "")
    mine = taken["ours a"] * 1_000
    yield Measure("a, beside a loop over customers", mine, "ms", looped * 1_000, looped * 1_000 / mine, "ratio >= 1000")
    yield Measure("peak memory, rivals included", peak(), "MB", None, None, "value <= 1500")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


if __name__ == "__main__":
    sys.exit(main())
