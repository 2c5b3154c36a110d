"""How fast a CSV of purchases becomes events, beside the limit and beside the usual way.

The limit: DuckDB reads, types and writes the same file as Parquet, without cleaning, ids or a look at what is there.
The usual way: Python's csv module, a row at a time, with the same checks, into SQLite under a unique id.
"""

from __future__ import annotations

import csv
import hashlib
import math
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import duckdb
from measure import Measure, arguments, median_seconds, report

from automation.plugin_manager import load_plugins
from automation.warehouse.connect import open_warehouse
from automation.warehouse.importing import import_files
from automation.warehouse.mapping import parse_mapping

NOW = datetime(2025, 1, 1, tzinfo=UTC)
MAPPING = """
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
TYPED = """
COPY (SELECT customer, "at"::TIMESTAMP AS "at", product, pieces::DOUBLE AS pieces,
  pieces::DOUBLE * price::DOUBLE AS amount
FROM read_csv('{source}', all_varchar = true, header = true, nullstr = ''))
TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def sales(path: Path, rows: int) -> None:
    """Every tenth row is a return, every hundredth has no time."""
    with path.open("w") as stream:
        stream.write("customer,at,product,pieces,price\n")
        for row in range(rows):
            day, hour = row // 24 % 28 + 1, row % 24
            at = "" if row % 100 == 7 else f"2024-{row // 50_000 % 12 + 1:02d}-{day:02d} {hour:02d}:{row % 60:02d}:00"
            stream.write(f"c{row * 7919 % 200_003},{at},p{row % 5_003},{row % 10},{row % 97}.5\n")


def limit(source: Path, folder: Path) -> None:
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(TYPED.format(source=source, target=folder / "limit.parquet"))


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


def ours(source: Path, folder: Path, *, again: bool = False) -> None:
    warehouse = open_warehouse(folder / "warehouse")
    mapping, registry = parse_mapping(MAPPING, "mapping"), load_plugins()
    found = import_files(warehouse, registry, "events", [source], mapping, quarantine=folder / "q.csv", now=NOW)
    assert bool(found.added) != again
    warehouse.close()


def main() -> int:
    chosen = arguments(__doc__ or "")
    rows = 200_000 if chosen.quick else 2_000_000
    with tempfile.TemporaryDirectory() as name:
        root, fresh = Path(name), count()
        source = root / "sales.csv"
        sales(source, rows)
        filled = root / "filled"
        ours(source, filled)

        def folder() -> Path:
            made = root / f"round-{next(fresh)}"
            made.mkdir()
            return made

        taken = median_seconds(
            {
                "limit": lambda: limit(source, folder()),
                "rows": lambda: row_at_a_time(source, folder()),
                "ours": lambda: ours(source, folder()),
                "again": lambda: ours(source, filled, again=True),
            },
            3,
        )
    rate = {name: rows / seconds for name, seconds in taken.items()}
    beside_rows, beside_limit = rate["ours"] / rate["rows"], rate["ours"] / rate["limit"]
    return report(
        [
            Measure("import, beside a row at a time", rate["ours"], "rows/s", rate["rows"], beside_rows, "ratio >= 2"),
            Measure("import, beside DuckDB's bare copy", rate["ours"], "rows/s", rate["limit"], beside_limit),
            Measure("import again, nothing new", rate["again"], "rows/s", rate["ours"], rate["again"] / rate["ours"]),
        ],
        chosen.format,
    )


if __name__ == "__main__":
    sys.exit(main())
