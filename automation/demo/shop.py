"""A made-up shop, Lindholm & Daughters: Nordic home and garden, its customers and two years of their events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from automation.demo.catalogue import Catalogue, make_catalogue
from automation.demo.history import Market, draw_lines, draw_opens, draw_orders, draw_visits, events_of
from automation.demo.people import Tastes, make_people
from automation.demo.season import Floats, Period

YEARS_TOLD = 2
# The simulation's arrays of 10,000 customers take about 150 MB; 100,000 at once would take ten times that.
BLOCK = 10_000


@dataclass(frozen=True)
class Shop:
    """The warehouse's three tables, and what they don't show: the customers' tastes and when each of them left.

    customers: the declared columns, loyalty_tier, newsletter_consent, promotions_consent. products: the declared
    columns and cost. events: the declared columns and discount (the share taken off), ordered by time.
    gone: the day of the period on which the customer leaves, inf for those who stay.
    """

    customers: pl.DataFrame
    products: pl.DataFrame
    events: pl.DataFrame
    tastes: Tastes
    catalogue: Catalogue
    period: Period
    gone: Floats


def generate(seed: int, customers: int = 3000, products: int = 240, *, until: datetime, activity: float = 1.0) -> Shop:
    """The shop as of `until`; the same arguments always give the same shop.

    `activity` scales the number of events: at 1 about 55 per customer, at 0.1 about 10 (a first order always comes with
    its views); at 0.1, a shop of 100,000 customers takes 1 s and 300 MB.
    """
    days = 365.0 * YEARS_TOLD
    period = Period(until - timedelta(days=days), days)
    table, catalogue = make_catalogue(np.random.default_rng([seed, 1]), products, period.start, days)
    people, tastes = make_people(np.random.default_rng([seed, 2]), customers, period)
    gone = np.empty(customers)
    blocks = []
    for first in range(0, customers, BLOCK):
        part = slice(first, min(first + BLOCK, customers))
        block, gone[part] = _history(
            np.random.default_rng([seed, 3, first]),
            Market(tastes.part(part.start, part.stop), catalogue, period, activity),
        )
        blocks.append(block.with_columns(pl.col("customer") + first))
    events = name_events(_joined(blocks, days), people["customer_id"], table["product_id"], period)
    return Shop(_with_loyalty(people, events, until), table, events, tastes, catalogue, period, gone)


def write(shop: Shop, folder: Path) -> tuple[Path, Path, Path]:
    """Write customers.csv, products.csv and events.csv to `folder`, for `automation import`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in ("customers", "products", "events"):
        path = folder / f"{name}.csv"
        getattr(shop, name).write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        written.append(path)
    return written[0], written[1], written[2]


def name_events(
    events: pl.DataFrame, customers: pl.Series, products: pl.Series, period: Period, *, series: str = ""
) -> pl.DataFrame:
    """Compact events with the warehouse's columns: ids for row numbers, instants for days, numbered in time order.

    `series` keeps the ids of later events apart from those of the first ones.
    """
    ordered = events.sort("at", "customer", "type", "product").with_row_index("number", offset=1)
    return ordered.select(
        event_id=f"e{series}" + pl.col("number").cast(pl.String).str.zfill(8),
        customer_id=customers.gather(ordered["customer"]),
        type=pl.col("type").cast(pl.String),
        occurred_at=pl.Series(period.instants(ordered["at"].to_numpy())).cast(pl.Datetime("us", "UTC")),
        product_id=products.gather(ordered["product"]),
        order_id=f"o{series}" + pl.col("order").cast(pl.String).str.zfill(7),
        quantity=pl.col("quantity").cast(pl.Float64),
        amount="amount",
        currency=pl.when(pl.col("type").is_in(["purchase", "return"])).then(pl.lit("EUR")),
        message_id=pl.lit(None, dtype=pl.String),
        discount=pl.col("discount").cast(pl.Float64).round(2),
    )


def _history(rng: np.random.Generator, market: Market) -> tuple[pl.DataFrame, Floats]:
    """One block's events, and the day on which each of its customers leaves."""
    customer, at, gone = draw_orders(rng, market)
    lines = draw_lines(rng, market, customer, at)
    visits, opens = draw_visits(rng, market, gone), draw_opens(rng, market, gone)
    return events_of(rng, market, lines, visits, opens), gone


def _joined(blocks: list[pl.DataFrame], days: float) -> pl.DataFrame:
    """All blocks with unique order numbers, without events outside the period."""

    def renumbered() -> Iterator[pl.DataFrame]:
        used = 0
        for block in blocks:
            yield block.with_columns(pl.col("order") + used)
            used += int(block["order"].max() or 0) + 1  # type: ignore[arg-type]

    return pl.concat(renumbered()).filter(pl.col("at") >= 0, pl.col("at") < days)


def _with_loyalty(people: pl.DataFrame, events: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Loyalty tiers by the last year's spending: silver from 250 EUR, gold from 600 EUR."""
    spent = (
        events.filter(pl.col("type") == "purchase", pl.col("occurred_at") >= until - timedelta(days=365))
        .group_by("customer_id")
        .agg(spent=pl.col("amount").sum())
    )
    tier = pl.when(pl.col("spent") >= 600).then(pl.lit("gold")).when(pl.col("spent") >= 250).then(pl.lit("silver"))
    return (
        people.join(spent, on="customer_id", how="left", maintain_order="left")
        .with_columns(loyalty_tier=tier.otherwise(pl.lit("basic")))
        .drop("spent")
    )
