"""How fast four audiences are found, beside SQL by hand on the same files, SQLite, and a loop over customers.

a: bought of one category at least twice in 90 days, opened no e-mail in 30, country in a list. b: recency, frequency
and money of everybody. c: last purchase 60 to 120 days ago, over 100 spent. d: viewed in 3 days, no purchase since.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from audience_sqlite import SAMPLE, fill, index_by_type, loop
from deltalake import DeltaTable
from large_shop import END, make
from measure import Measure, arguments, median_seconds, peak_mb, report, say, seconds

from automation.contracts import Snapshot
from automation.plugin_manager import Registry
from automation.rules import core
from automation.rules.compiler import select_audience
from automation.types.condition import Audience, Condition, Group, Leaf
from automation.warehouse.embedded import Warehouse, open_warehouse

if TYPE_CHECKING:
    import ibis.expr.types as ir

COUNTRIES, CATEGORY = ["DE", "AT"], "category 07"
RULES: dict[str, list[dict[str, Any]]] = {
    "a": [
        {"did": "purchase", "times": "at least 2", "in_the_last": "90d", "where": {"category": CATEGORY}},
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
  HAVING max(occurred_at) < {60} AND max(occurred_at) >= {120} AND round(sum(amount), 6) > 100)""",
    "d": """SELECT customer_id FROM customers WHERE customer_id IN (
  SELECT customer_id FROM events WHERE type = 'view' AND occurred_at >= {3} AND occurred_at < {0})
  AND customer_id NOT IN (
  SELECT customer_id FROM events WHERE type = 'purchase' AND occurred_at >= {3} AND occurred_at < {0})""",
}
DUCKDB_DAY, SQLITE_DAY = "(epoch_us(occurred_at) // 86400000000)", "(occurred_at / 86400000000)"
ROWS, ROUNDS = 1_000_000, 5


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
    """The made-up shop as an import would have written it, with its profiles."""
    raw = make(folder / "raw", customers, events, seed=1)
    warehouse = open_warehouse(folder / "warehouse")
    for name in ("customers", "products"):
        shutil.copytree(raw / name, folder / "warehouse" / name)
    warehouse.append_events(frames(raw / "events"))
    shutil.rmtree(raw)
    warehouse.refresh_profiles()
    return warehouse


def frames(table: Path) -> Iterator[pl.DataFrame]:
    for file in DeltaTable(table).file_uris():
        yield from pl.read_parquet(file).iter_slices(100_000)


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
    """Each audience from its rule to the members with their leaves, compiling included."""
    return {name: partial(count, asked) for name, asked in audiences(data).items()}


def audiences(data: Snapshot) -> dict[str, Callable[[], ir.Table]]:
    registry, conditions = rules()

    def profiles() -> ir.Table:
        wanted = data.profiles.select("customer_id", "recency_days", "frequency", "monetary")
        return wanted.filter(wanted.frequency > 0)

    asked = {name: partial(members, condition, data, registry) for name, condition in conditions.items()}
    return {**asked, "b": profiles}


def members(condition: Condition, data: Snapshot, registry: Registry) -> ir.Table:
    return select_audience(Audience(condition), data, registry, salt="x")


def count(asked: Callable[[], ir.Table]) -> int:
    """The rows, read in batches as Arrow; one batch is in memory at a time."""
    table = asked()
    with warnings.catch_warnings():
        # ibis 12 calls a method that DuckDB 1.5 has deprecated, once, at the first batch.
        warnings.filterwarnings("ignore", r"fetch_record_batch\(\)", DeprecationWarning)
        return sum(batch.num_rows for batch in table.get_backend().to_pyarrow_batches(table, chunk_size=ROWS))


def compiling(warehouse: Warehouse, data: Snapshot) -> dict[str, Callable[[], object]]:
    """From each rule to its SQL, and no further."""

    def compiled(asked: Callable[[], ir.Table]) -> object:
        return warehouse.connection.compile(asked())

    return {name: partial(compiled, asked) for name, asked in audiences(data).items()}


def by_hand(warehouse: Warehouse, data: Snapshot) -> dict[str, Callable[[], int]]:
    """The same questions in DuckDB's own SQL, over the same files."""
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


def memory(folder: Path) -> float:
    """The peak of a process that finds the four audiences and does nothing else."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return float(pool.apply(_memory, (folder,)))


def _memory(folder: Path) -> float:
    warehouse = open_warehouse(folder / "warehouse")
    for asked in ours(warehouse, warehouse.snapshot(END)).values():
        asked()
    warehouse.close()
    return peak_mb()


def main() -> int:
    chosen = arguments(__doc__ or "")
    customers, events = (100_000, 2_000_000) if chosen.quick else (1_000_000, 20_000_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say(f"making {customers:,} customers and {events:,} events")
        warehouse = shop(folder, customers, events)
        say("filling SQLite with them")
        fill(folder / "shop.db", warehouse)
        found = list(lines(folder, warehouse, full=not chosen.quick))
        warehouse.close()
    return report(found, chosen.format)


def lines(folder: Path, warehouse: Warehouse, *, full: bool) -> Iterator[Measure]:
    """SQLite and the loop keep up where there are few rows, so their targets are for the full size only."""
    data = warehouse.snapshot(END)
    mine, hand, compiled = ours(warehouse, data), by_hand(warehouse, data), compiling(warehouse, data)
    works: dict[str, Callable[[], object]] = {f"compiling {which}": work for which, work in compiled.items()}
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        theirs = on_sqlite(connection)
        for which in sorted(QUERIES):
            counted = [engine[which]() for engine in (mine, hand, theirs)]
            assert len(set(counted)) == 1, (which, counted)
            works |= {f"ours {which}": mine[which], f"hand {which}": hand[which], f"sqlite {which}": theirs[which]}
        taken = median_seconds({**works, "snapshot": lambda: warehouse.snapshot(END)}, ROUNDS)
    taken = {name: found * 1_000 for name, found in taken.items()}
    for which in sorted(QUERIES):
        ms, by, theirs_ms = (taken[f"{engine} {which}"] for engine in ("ours", "hand", "sqlite"))
        yield Measure(f"{which}, beside 1.15 x SQL by hand + 30 ms", ms, "ms", by, ms / (1.15 * by + 30), "ratio <= 1")
        yield Measure(f"{which}, beside SQLite", ms, "ms", theirs_ms, theirs_ms / ms, "ratio >= 5" if full else "")
        yield Measure(f"{which}, compiling alone", taken[f"compiling {which}"], "ms")
    yield Measure("a snapshot, before the first of them", taken["snapshot"], "ms")
    looped = loop_seconds(folder) * 1_000
    target = "ratio >= 1000" if full else ""
    yield Measure("a, beside a loop over customers", taken["ours a"], "ms", looped, looped / taken["ours a"], target)
    yield from beside_one_more_index(folder, taken)
    yield Measure("peak memory of all four", memory(folder), "MB", None, None, "value <= 1500")


def loop_seconds(folder: Path) -> float:
    """Of all customers, from one of a hundred; what it finds is what the query finds among them."""
    found: list[int] = []
    since = (int(micros(90)), int(micros(30)), int(micros(0)))
    taken = seconds(lambda: found.append(loop(folder / "shop.db", COUNTRIES, CATEGORY, since)))
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        rows = connection.execute(query("a", micros, SQLITE_DAY)).fetchall()
    assert found == [sum(customer.endswith(SAMPLE[1:]) for (customer,) in rows)]
    return taken * 100


def beside_one_more_index(folder: Path, taken: dict[str, float]) -> Iterator[Measure]:
    """What an index made for such questions gives SQLite, for the two whose spans are short."""
    index_by_type(folder / "shop.db")
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        found = median_seconds({which: on_sqlite(connection)[which] for which in "ad"}, ROUNDS)
    for which, theirs in found.items():
        mine = taken[f"ours {which}"]
        name = f"{which}, beside SQLite with an index on type and time"
        yield Measure(name, mine, "ms", theirs * 1_000, theirs * 1_000 / mine)


if __name__ == "__main__":
    sys.exit(main())
