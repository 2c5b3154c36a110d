"""How fast files become events, and in how much memory: 20,000,000 events of 1,000,000 customers, cleaning included.

The files hold a few of every fault: a repeated event id in 200 rows, a missing customer and a time in the future in
1,000 each, and an amount that is no number, which makes a note. Each import runs in a process of its own, into an empty
warehouse, and leaves every row accounted for.

The limit: DuckDB copies the same file to Parquet, typed, without cleaning or a look at what is there. The usual way:
Python's csv module, a row at a time, into SQLite under a unique id, for a file of its own whose events have no ids.
"""

from __future__ import annotations

import csv
import hashlib
import math
import multiprocessing
import shutil
import sqlite3
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb
from large_shop import make
from measure import Measure, arguments, median_seconds, peak_mb, report, say, seconds

from automation.plugin_manager import load_plugins
from automation.types.schema import TableName
from automation.warehouse.embedded import open_warehouse
from automation.warehouse.importing.importer import ImportReport, import_files
from automation.warehouse.importing.mapping import parse_mapping

NOW = datetime(2026, 6, 1, tzinfo=UTC)
COLUMNS = (
    "event_id", "customer_id", "type", "occurred_at", "product_id", "order_id", "quantity", "amount", "currency",
    "message_id", "discount",
)  # fmt: skip
EVENTS = f"""
table: events
columns: {{{", ".join(f"{name}: {name}" for name in COLUMNS)}}}
types: {{discount: number}}
"""
PEOPLE = "table: customers\ncolumns: {customer_id: customer_id, email: email, country: country, city: city}"
SALES = """
table: events
columns:
  customer_id: customer
  occurred_at: at
  type: {constant: purchase}
  product_id: product
  quantity: pieces
  amount: {multiply: [pieces, price]}
skip:
  - {column: pieces, at_most: 0, reason: return}
"""
FAULTY = """
COPY (SELECT * EXCLUDE (n) REPLACE (
    if(n % 200 = 199, format('e{{:09d}}', n - 100), event_id) AS event_id,
    if(n % 1000 = 3, NULL, customer_id) AS customer_id,
    if(n % 1000 = 5, TIMESTAMPTZ '2031-01-01 00:00:00+00', occurred_at) AS occurred_at,
    if(n % 1000 = 4, {amount}, amount{text}) AS amount)
  FROM (SELECT {columns}, substr(event_id, 2)::BIGINT AS n FROM read_parquet({files})))
TO '{target}' ({form})
"""
TYPED = "COPY (SELECT * FROM {source}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
READ_CSV = (
    "read_csv('{path}', header = true, ignore_errors = true, types = {{'occurred_at': 'TIMESTAMPTZ', "
    "'order_id': 'VARCHAR', 'message_id': 'VARCHAR', 'amount': 'DOUBLE', 'discount': 'DOUBLE'}})"
)


def exports(root: Path, customers: int, events: int) -> dict[str, Path]:
    """The shop's events as a system would export them, in both formats, and its customers, as they were and later."""
    shop = make(root / "shop", customers, events, seed=1)
    files = {"Parquet": root / "events.parquet", "CSV": root / "events.csv"}
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
    connection.execute("SET TimeZone = 'UTC'")
    listed = [str(path) for path in sorted((shop / "events").glob("*.parquet"))]
    for amount, text, form, target in (
        ("'NaN'::DOUBLE", "", "FORMAT parquet, COMPRESSION zstd", files["Parquet"]),
        ("'on request'", "::VARCHAR", "FORMAT csv, HEADER", files["CSV"]),
    ):
        how = {"amount": amount, "text": text, "form": form, "target": target}
        connection.execute(FAULTY.format(columns=", ".join(COLUMNS), files=listed, **how))
    for name, city in (("people", "city"), ("moved", "if(substr(customer_id, -1) = '7', 'Ulm', city)")):
        files[name] = root / f"{name}.parquet"
        people = f"SELECT * REPLACE ({city} AS city) FROM read_parquet('{shop}/customers/*.parquet')"
        connection.execute(f"COPY ({people}) TO '{files[name]}' (FORMAT parquet)")
    connection.close()
    shutil.rmtree(shop)
    return files


def imported(folder: Path, table: TableName, mapping: str, source: Path) -> tuple[ImportReport, float]:
    """The report of one import and the peak memory of its process, in MB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_imported, (folder, table, mapping, source))


def _imported(folder: Path, table: TableName, mapping: str, source: Path) -> tuple[ImportReport, float]:
    return ours(folder, table, mapping, source), peak_mb()


def ours(folder: Path, table: TableName, mapping: str, source: Path) -> ImportReport:
    warehouse = open_warehouse(folder / "warehouse")
    parsed = parse_mapping(mapping, "mapping")
    found = import_files(warehouse, load_plugins(), table, [source], parsed, quarantine=folder / "q.csv", now=NOW)
    warehouse.close()
    return found


def limit(source: Path, target: Path) -> None:
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GB"}) as connection:
        read = READ_CSV.format(path=source) if source.suffix == ".csv" else f"read_parquet('{source}')"
        connection.execute(TYPED.format(source=read, target=target))
    target.unlink()


def full_size(root: Path, customers: int, events: int, rounds: int, *, demanded: bool) -> list[Measure]:
    """Both formats in turn, in every round, beside their limits."""
    made: dict[str, Path] = {}
    say(f"{events:,} events made in {seconds(lambda: made.update(exports(root, customers, events))):.0f} s")
    rates: dict[str, list[float]] = {"Parquet": [], "CSV": []}
    limits: dict[str, list[float]] = {"Parquet": [], "CSV": []}
    peaks: dict[str, float] = {}
    for _ in range(rounds):
        for form, taken in rates.items():
            limits[form].append(events / seconds(partial(limit, made[form], root / "limit.parquet")))
            found, peaks[form] = imported(root / "round", "events", EVENTS, made[form])
            shutil.rmtree(root / "round")
            assert (found.rows, found.quarantined, found.duplicates) == (events, events // 500, events // 200)
            taken.append(events / found.seconds)
            say(f"{form}: {found.seconds:.0f} s, {peaks[form]:.0f} MB, {found.notes:,} notes")
    measures = []
    for form, least in (("Parquet", 500_000), ("CSV", 150_000)):
        rate, bare = statistics.median(rates[form]), statistics.median(limits[form])
        target = f"value >= {least}" if demanded else ""
        measures.append(
            Measure(f"import of {form}, beside DuckDB's bare copy", rate, "rows/s", bare, rate / bare, target)
        )
        measures.append(Measure(f"import of {form}, peak memory", peaks[form], "MB", None, None, "value <= 2000"))
    return [*measures, *people(root, made)]


def people(root: Path, made: dict[str, Path]) -> list[Measure]:
    """Customers by key: all new, then one in ten changed."""
    new, _ = imported(root / "people", "customers", PEOPLE, made["people"])
    changed, peak = imported(root / "people", "customers", PEOPLE, made["moved"])
    assert 0 < changed.updated <= changed.rows / 10
    rate, base = changed.rows / changed.seconds, new.rows / new.seconds
    return [
        Measure("customers, a tenth changed, beside all new", rate, "rows/s", base, rate / base),
        Measure("customers, a tenth changed, peak memory", peak, "MB", None, None, "value <= 2000"),
    ]


def sales(path: Path, rows: int) -> None:
    """Every tenth row is a return, every hundredth has no time."""
    with path.open("w") as stream:
        stream.write("customer,at,product,pieces,price\n")
        for row in range(rows):
            day, hour = row // 24 % 28 + 1, row % 24
            at = "" if row % 100 == 7 else f"2024-{row // 50_000 % 12 + 1:02d}-{day:02d} {hour:02d}:{row % 60:02d}:00"
            stream.write(f"c{row * 7919 % 200_003},{at},p{row % 5_003},{row % 10},{row % 97}.5\n")


def row_at_a_time(source: Path, folder: Path) -> None:
    connection = sqlite3.connect(folder / "rows.db")
    connection.execute("CREATE TABLE event (id TEXT PRIMARY KEY, customer, at, product, pieces REAL, amount REAL)")
    with source.open(newline="") as stream, connection:
        for row in csv.DictReader(stream):
            pieces = float(row["pieces"])
            if pieces <= 0 or not row["at"].strip():
                continue
            at = datetime.fromisoformat(row["at"].strip()).replace(tzinfo=UTC)
            amount = pieces * float(row["price"])
            if at > NOW or not math.isfinite(amount):
                continue
            key = hashlib.sha256(repr((row["customer"], at, row["product"], pieces, amount)).encode()).hexdigest()[:32]
            values = (key, row["customer"], at.isoformat(), row["product"], pieces, amount)
            connection.execute("INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?)", values)
    connection.close()


def without_ids(root: Path, rows: int) -> list[Measure]:
    """Events that get the hash of their content for an id, in an empty warehouse and once more."""
    source = root / "sales.csv"
    sales(source, rows)
    ours(root / "filled", "events", SALES, source)

    def fresh() -> Path:
        return Path(tempfile.mkdtemp(dir=root))

    taken = median_seconds(
        {
            "rows": lambda: row_at_a_time(source, fresh()),
            "ours": lambda: ours(fresh(), "events", SALES, source),
            "again": lambda: ours(root / "filled", "events", SALES, source),
        },
        3,
    )
    rate = {name: rows / spent for name, spent in taken.items()}
    beside = rate["ours"] / rate["rows"]
    return [
        Measure(
            "events without ids, beside a row at a time", rate["ours"], "rows/s", rate["rows"], beside, "ratio >= 2"
        ),
        Measure("the same again, nothing new", rate["again"], "rows/s", rate["ours"], rate["again"] / rate["ours"]),
    ]


def main() -> int:
    chosen = arguments(__doc__ or "")
    customers, events, rounds = (50_000, 1_000_000, 1) if chosen.quick else (1_000_000, 20_000_000, 2)
    with tempfile.TemporaryDirectory() as name:
        found = full_size(Path(name), customers, events, rounds, demanded=not chosen.quick)
        found += without_ids(Path(name), 200_000 if chosen.quick else 500_000)
    return report(found, chosen.format)


if __name__ == "__main__":
    sys.exit(main())
