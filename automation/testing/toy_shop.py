"""A shop of 8 customers and 6 products, small enough to work every answer out by hand.

The customers' initials run from A to H. Ana and Ben like the same teas, Chloe and Dev the same coffees; Eve bought
once, long ago; Finn only looked; Gul has no e-mail address; Hana never did anything. p6 was never bought by anybody.

            p1 green tea  p2 black tea  p3 espresso  p4 filter  p5 mug    p6 teapot
    c1 Ana  bought 2x     bought        -            -          bought    viewed
    c2 Ben  bought        bought        -            -          -         in the cart
    c3 Chl  -             -             bought 3x    bought     bought    -
    c4 Dev  -             -             bought       bought     -         -
    c5 Eve  bought (2024) -             -            -          -         -
    c6 Finn viewed        -             viewed 2x    -          -         -
    c7 Gul  -             bought        -            -          bought    -
    c8 Hana -             -             -            -          -         -

Ratings: c1 p1 5, p2 4, p5 3; c2 p1 4, p2 5; c3 p3 5, p4 4, p5 2; c4 p3 4, p4 5; c7 p2 3, p5 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from automation.contracts import Snapshot
from automation.types.schema import CUSTOMERS, DECISION_COLUMNS, EVENTS, PRODUCTS

if TYPE_CHECKING:
    import polars as pl

TOY_AS_OF = datetime(2026, 3, 30, 9, 0, tzinfo=UTC)
"""Monday, the day after Europe's clocks went forward (2026-03-29) and New York's had three weeks before."""

_CUSTOMERS: tuple[tuple[Any, ...], ...] = (
    # id, email, phone, first, last, language, country, city, postcode, timezone, birthday, created, tier, points
    ("c1", "ana@example.com", "+351210000001", "Ana", "Silva", "pt", "PT", "Lisboa", "1100-148", "Europe/Lisbon",
     date(1990, 3, 30), "2025-01-10", "gold", 320.0),
    ("c2", "ben@example.com", None, "Ben", "Berg", "de", "DE", "Leipzig", "04109", "Europe/Berlin",
     date(1988, 2, 29), "2025-02-01", "silver", 120.0),
    ("c3", "chloe@example.com", "+33100000003", "Chloé", "Martin", "fr", "FR", "Paris", "75001", "Europe/Paris",
     date(1979, 12, 31), "2025-03-05", "gold", 540.5),
    ("c4", "dev@example.com", None, "Dev", "Patel", "en", "IN", "Pune", "411001", "Asia/Kolkata",
     date(1996, 2, 29), "2025-06-20", None, 0.0),
    ("c5", "eve@example.com", "+12120000005", "Eve", "Stone", "en-US", "US", "New York", "10001", "America/New_York",
     None, "2024-04-02", "silver", None),
    ("c6", "finn@example.com", None, "Finn", "O'Neill", "en", "IE", "Cork", "T12", None,
     date(2001, 4, 1), "2026-01-15", None, 5.0),
    ("c7", None, "+905000000007", "Gül", "Öz", "tr", "TR", "İzmir", "35000", "Europe/Istanbul",
     date(1985, 7, 9), "2025-09-09", None, 60.0),
    ("c8", "hana@example.com", None, "Hana", "Sato", None, None, None, "01067", "Pacific/Auckland",
     None, "2026-03-29", None, None),
)  # fmt: skip

_PRODUCTS: tuple[tuple[Any, ...], ...] = (
    # id, name, category, brand, price, stock, created, organic
    ("p1", "Green Tea", "tea", "Leaf", 8.0, 10.0, "2024-01-01", True),
    ("p2", "Black Tea", "tea", "Leaf", 7.5, 0.0, "2024-01-01", False),
    ("p3", "Espresso Beans", "coffee", "Roast", 14.0, None, "2024-01-01", True),
    ("p4", "Filter Coffee", "coffee", "Roast", 12.0, 5.0, "2025-05-01", False),
    ("p5", "Mug", "kitchen", "Clay", 9.9, 3.0, "2025-05-01", None),
    ("p6", "Teapot", "kitchen", "Clay", 39.0, 2.0, "2026-03-01", None),
)

_EVENTS: tuple[tuple[Any, ...], ...] = (
    # customer, type, day and time in UTC, product, order, quantity, amount
    ("c5", "purchase", "2024-05-01 12:00", "p1", "o1", 1.0, 8.0),
    ("c1", "purchase", "2025-11-03 10:00", "p1", "o2", 1.0, 8.0),
    ("c1", "purchase", "2026-02-20 18:30", "p1", "o3", 2.0, 16.0),
    ("c1", "purchase", "2026-02-20 18:30", "p2", "o3", 1.0, 7.5),
    ("c1", "purchase", "2026-03-20 08:15", "p5", "o4", 1.0, 9.9),
    ("c1", "view", "2026-03-28 20:00", "p6", None, None, None),
    ("c2", "purchase", "2026-01-31 23:30", "p1", "o5", 1.0, 8.0),  # already 1 February in Berlin
    ("c2", "purchase", "2026-03-01 09:00", "p2", "o6", 3.0, 22.5),
    ("c2", "add_to_cart", "2026-03-29 01:30", "p6", None, 1.0, 39.0),  # 03:30 in Berlin, its clocks just moved
    ("c3", "purchase", "2025-12-24 16:00", "p3", "o7", 1.0, 14.0),
    ("c3", "purchase", "2026-01-24 16:00", "p3", "o8", 1.0, 14.0),
    ("c3", "purchase", "2026-02-24 16:00", "p3", "o9", 1.0, 14.0),
    ("c3", "purchase", "2026-02-24 16:00", "p4", "o9", 1.0, 12.0),
    ("c3", "purchase", "2026-03-10 07:45", "p5", "o10", 2.0, 19.8),
    ("c4", "purchase", "2026-03-15 19:00", "p3", "o11", 1.0, 14.0),  # 16 March in Pune
    ("c4", "purchase", "2026-03-15 19:00", "p4", "o11", 1.0, 12.0),
    ("c6", "view", "2026-03-01 12:00", "p1", None, None, None),
    ("c6", "view", "2026-03-02 12:00", "p3", None, None, None),
    ("c6", "view", "2026-03-03 12:00", "p3", None, None, None),
    ("c7", "purchase", "2025-10-10 10:00", "p2", "o12", 1.0, 7.5),
    ("c7", "purchase", "2025-12-30 09:00", "p5", "o13", 1.0, 9.9),  # 90 days before TOY_AS_OF, to the minute
    ("c1", "rating", "2026-03-21 08:00", "p1", None, None, 5.0),
    ("c1", "rating", "2026-03-21 08:01", "p2", None, None, 4.0),
    ("c1", "rating", "2026-03-21 08:02", "p5", None, None, 3.0),
    ("c2", "rating", "2026-03-05 08:00", "p1", None, None, 4.0),
    ("c2", "rating", "2026-03-05 08:01", "p2", None, None, 5.0),
    ("c3", "rating", "2026-03-12 08:00", "p3", None, None, 5.0),
    ("c3", "rating", "2026-03-12 08:01", "p4", None, None, 4.0),
    ("c3", "rating", "2026-03-12 08:02", "p5", None, None, 2.0),
    ("c4", "rating", "2026-03-18 08:00", "p3", None, None, 4.0),
    ("c4", "rating", "2026-03-18 08:01", "p4", None, None, 5.0),
    ("c7", "rating", "2026-01-08 08:00", "p2", None, None, 3.0),
    ("c7", "rating", "2026-01-08 08:01", "p5", None, None, 5.0),
    ("c1", "email_open", "2026-03-25 06:00", None, None, None, None),
    ("c2", "email_open", "2026-02-10 06:00", None, None, None, None),
    ("c5", "email_open", "2026-03-29 06:00", None, None, None, None),
    ("c4", "purchase", "2026-03-30 09:00", "p5", "o14", 1.0, 9.9),  # at TOY_AS_OF: not before it
    ("c8", "view", "2026-03-30 09:01", "p1", None, None, None),  # after it
)


def toy_customers() -> pl.DataFrame:
    """The 8 customers: the columns of `types.schema.CUSTOMERS`, and the traits tier String and points Float64."""
    import polars as pl

    names = (*CUSTOMERS.columns, "tier", "points")
    rows = [(*row[:11], _instant(row[11]), *row[12:]) for row in _CUSTOMERS]
    return pl.DataFrame(rows, schema=_schema(CUSTOMERS.columns, tier=pl.String(), points=pl.Float64()),
                        orient="row").select(names)  # fmt: skip


def toy_products() -> pl.DataFrame:
    """The 6 products: the columns of `types.schema.PRODUCTS`, and the attribute organic Boolean."""
    import polars as pl

    rows = [
        (
            key, name, category, brand, price, "EUR", f"https://shop.example/{key}", f"https://shop.example/{key}.jpg",
            stock, _instant(created), organic,
        )
        for key, name, category, brand, price, stock, created, organic in _PRODUCTS
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=_schema(PRODUCTS.columns, organic=pl.Boolean()), orient="row")


def toy_events() -> pl.DataFrame:
    """All 38 events, e01 … e38: the columns of `types.schema.EVENTS`. The last two are not before `TOY_AS_OF`."""
    import polars as pl

    rows = [
        (f"e{n:02}", who, kind, _instant(at), product, order, quantity, amount, amount and "EUR", None)
        for n, (who, kind, at, product, order, quantity, amount) in enumerate(_EVENTS, start=1)
    ]
    frame = pl.DataFrame(rows, schema=_schema(EVENTS.columns), orient="row")
    return frame.with_columns(pl.when(pl.col("type") != "rating").then(pl.col("currency")).alias("currency"))


def toy_snapshot(
    as_of: datetime = TOY_AS_OF,
    *,
    customers: pl.DataFrame | None = None,
    products: pl.DataFrame | None = None,
    events: pl.DataFrame | None = None,
) -> Snapshot:
    """The shop strictly before `as_of`, on a DuckDB connection of its own, in memory; no decisions, no segments.

    A frame given here replaces the shop's own; it needs the same columns.
    """
    import polars as pl

    from automation.warehouse.profiles import compute_profiles

    customers = toy_customers() if customers is None else customers
    products = toy_products() if products is None else products
    before = (toy_events() if events is None else events).filter(pl.col("occurred_at") < as_of)
    connection = _connect()
    tables = {
        "customers": customers,
        "products": products,
        "events": before,
        "decisions": _no_decisions(),
    }
    for name, frame in tables.items():
        connection.create_table(name, frame.to_arrow())
    made = {name: connection.table(name) for name in tables}
    return Snapshot(
        as_of=as_of,
        version="toy",
        replayable=True,
        connection=connection,
        segments={},
        measure_profiles=cache(partial(compute_profiles, made["customers"], made["products"], made["events"], as_of)),
        **made,
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _connect() -> Any:
    import ibis

    connection = ibis.duckdb.connect(threads=1, memory_limit="256MB")
    connection.raw_sql("SET TimeZone = 'UTC'")
    return connection


def _schema(columns: Mapping[str, str], **further: pl.DataType) -> dict[str, pl.DataType]:
    from automation.contracts.columns import polars_schema

    return {**polars_schema(columns), **further}


def _no_decisions() -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(schema=_schema(DECISION_COLUMNS))
