"""A made-up shop of any size, written fast: the same folder for the same seed, for benchmarks.

Customers arrive over two years that end with `END` and leave after a while; of 100 events 60 are views, 10 carts,
12 purchases, 12 sent e-mails, 5 opens and 1 is a click. Events are written in time order, as imports bring them.
20 M events of 1 M customers take about 50 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
from deltalake import WriterProperties, write_deltalake

if TYPE_CHECKING:
    from numpy.typing import NDArray

END = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 730
CATEGORIES, BRANDS, PRODUCTS = 40, 300, 20_000
TYPES = ("view", "add_to_cart", "purchase", "email_sent", "email_open", "email_click")
SHARES = (0.60, 0.10, 0.12, 0.12, 0.05, 0.01)
COUNTRIES = ("DE", "AT", "CH", "FR", "NL", "BE", "PL", "GB", "US", "SE")
ZONES = (
    "Europe/Berlin", "Europe/Vienna", "Europe/Zurich", "Europe/Paris", "Europe/Amsterdam", "Europe/Brussels",
    "Europe/Warsaw", "Europe/London", "America/New_York", "Europe/Stockholm",
)  # fmt: skip
_CHUNK = 1_000_000  # events drawn at a time: 20 M in one go would take 4 GB
_ROW_GROUP = 100_000

_CUSTOMERS = f"""
SELECT format('c{{:07d}}', i) AS customer_id, format('c{{:07d}}@shop.example', i) AS email, NULL::VARCHAR AS phone,
  format('Name{{}}', i % 977) AS first_name, format('Family{{}}', i % 9973) AS last_name,
  if(country % 10 < 3, 'de', 'en') AS language, {list(COUNTRIES)}[country + 1] AS country,
  format('City {{}}', i % 211) AS city,
  format('{{:05d}}', i % 90000) AS postcode, if(i % 50 = 0, NULL, {list(ZONES)}[country + 1]) AS timezone,
  DATE '1950-01-01' + (i * 7919 % 20000)::INTEGER AS birthday, joined AT TIME ZONE 'UTC' AS created_at FROM rows
"""
_PRODUCTS = f"""
SELECT format('p{{:05d}}', i) AS product_id, format('Product {{}}', i) AS name,
  format('category {{:02d}}', (i * i // 7) % {CATEGORIES}) AS category,
  format('brand {{:03d}}', i * 31 % {BRANDS}) AS brand,
  price, 'EUR' AS currency, format('https://shop.example/p{{:05d}}', i) AS url, NULL::VARCHAR AS image_url,
  (i * 13 % 100)::DOUBLE AS stock, TIMESTAMPTZ '2020-01-01 00:00:00+00' AS created_at FROM rows
"""
_EVENTS = f"""
SELECT format('e{{:09d}}', no) AS event_id, format('c{{:07d}}', customer) AS customer_id,
  {list(TYPES)}[kind + 1] AS type, make_timestamp(micros) AT TIME ZONE 'UTC' AS occurred_at,
  if(kind <= 2, format('p{{:05d}}', product), NULL) AS product_id,
  if(kind = 2, format('o{{:07d}}-{{}}', customer, micros // 3600000000), NULL) AS order_id,
  if(kind = 2, pieces::DOUBLE, NULL) AS quantity,
  if(kind = 2, round(pieces * (5 + product * 7919 % 19500 / 100) * (1 - reduced / 100), 2), NULL) AS amount,
  if(kind = 2, 'EUR', NULL) AS currency,
  if(kind >= 3, format('m{{:07d}}-{{}}', customer, micros // 604800000000), NULL) AS message_id,
  if(kind = 2, reduced / 100, NULL) AS discount FROM rows
"""


def make(folder: Path, customers: int, events: int, *, seed: int, days: int = DAYS) -> Path:
    """Write the shop's Delta tables below `folder`, which is then a warehouse; returns it."""
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
    connection.execute("SET TimeZone = 'UTC'")
    joined = _joined(customers, days)
    _write(connection, folder / "customers", _CUSTOMERS, _customer_rows(joined, days, seed))
    products = pa.table({"i": np.arange(PRODUCTS), "price": np.round(5 + np.arange(PRODUCTS) * 7919 % 19500 / 100, 2)})
    _write(connection, folder / "products", _PRODUCTS, products)
    for rows in _event_rows(joined, events, days, seed):
        _write(connection, folder / "events", _EVENTS, rows)
    connection.close()
    return folder


def one_day(folder: Path, events: int, *, seed: int, day: int = 0) -> None:
    """Append the events of the `day`-th day from `END` on; customers and events as `make` numbers them."""
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})
    connection.execute("SET TimeZone = 'UTC'")
    files = str(folder / "customers" / "*.parquet")
    counted = connection.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchone()
    assert counted is not None
    rng = np.random.default_rng([seed, 1_000_000 + day])
    joined = _joined(counted[0], DAYS)
    at = DAYS + day + np.sort(rng.random(events))
    rows = _draw(rng, joined, at, 500_000_000 + day * 1_000_000, DAYS)
    _write(connection, folder / "events", _EVENTS, rows)
    connection.close()


def _joined(customers: int, days: int) -> NDArray[np.float64]:
    """The day on which each customer came, in the order of their numbers; a third were there before."""
    return np.maximum(np.linspace(-0.5, 1, customers, endpoint=False), 0) * days


def _customer_rows(joined: NDArray[np.float64], days: int, seed: int) -> pa.Table:
    rng = np.random.default_rng([seed, 0])
    numbers = np.arange(len(joined))
    start = np.datetime64((END - timedelta(days=days)).replace(tzinfo=None), "us")
    return pa.table(
        {
            "i": numbers,
            "country": np.minimum(rng.geometric(0.25, len(joined)) - 1, len(COUNTRIES) - 1),
            "joined": start + (joined * 86_400e6).astype("timedelta64[us]"),
        }
    )


def _event_rows(joined: NDArray[np.float64], events: int, days: int, seed: int) -> Iterator[pa.Table]:
    """Chunks in time order, each drawn by a generator of its own."""
    for first in range(0, events, _CHUNK):
        count = min(_CHUNK, events - first)
        rng = np.random.default_rng([seed, 1 + first // _CHUNK])
        at = (first + np.sort(rng.random(count)) * count) / events * days
        yield _draw(rng, joined, at, first, days)


def _draw(
    rng: np.random.Generator, joined: NDArray[np.float64], at: NDArray[np.float64], first: int, days: int
) -> pa.Table:
    """Who did what at each instant (in days since the start)."""
    there = np.searchsorted(joined, at, side="right")
    customer = (there * rng.random(len(at)) ** 0.7).astype(np.int64)  # who came lately does more
    stays = 20.0 + (customer * 2_654_435_761 % 1_000) ** 2 / 1_500  # days until the customer leaves: 20 to 685
    loyal = there * rng.random(len(at))
    customer = np.where(at - joined[customer] > stays, (loyal // 20 * 20).astype(np.int64), customer)
    kind = np.searchsorted(np.cumsum(SHARES), rng.random(len(at)), side="right")
    kind = np.where((kind == 2) & (customer % 5 == 3), 0, kind)  # a fifth only ever looks
    start = int((END - timedelta(days=days)).timestamp() * 1e6)
    taste = customer * 48_271 % PRODUCTS
    product = np.where(
        rng.random(len(at)) < 0.5, taste + rng.integers(0, 20, len(at)), PRODUCTS * rng.random(len(at)) ** 2
    )
    reduced = np.where(rng.random(len(at)) < 0.3, rng.integers(1, 9, len(at)) * 5.0, 0.0)
    return pa.table(
        {
            "no": np.arange(first, first + len(at)),
            "micros": start + (at * 86_400e6).astype(np.int64),
            "customer": customer,
            "kind": np.minimum(kind, len(TYPES) - 1),
            "product": product.astype(np.int64) % PRODUCTS,
            "pieces": np.minimum(rng.geometric(0.7, len(at)), 9),
            "reduced": reduced,
        }
    )


def _write(connection: duckdb.DuckDBPyConnection, path: Path, query: str, rows: pa.Table) -> None:
    connection.register("rows", rows)
    made = connection.execute(query).to_arrow_reader(_ROW_GROUP)
    properties = WriterProperties(compression="ZSTD", max_row_group_size=_ROW_GROUP)
    write_deltalake(path, made, mode="append", writer_properties=properties)
    connection.unregister("rows")
