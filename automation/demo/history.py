"""What the demo shop's customers did: orders, and the events before and after them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from automation.demo.catalogue import CATEGORIES, Catalogue
from automation.demo.people import Tastes
from automation.demo.season import PEAK, Floats, Ints, Period, busyness, category_factors, sale

TYPES = pl.Enum(["view", "add_to_cart", "purchase", "return", "rating", "email_open", "email_click", "unsubscribe"])
NEWSLETTER_EVERY = 7.0


@dataclass(frozen=True)
class Market:
    """Who may buy what, and when. `activity` scales the number of events."""

    tastes: Tastes
    catalogue: Catalogue
    period: Period
    activity: float = 1.0


@dataclass(frozen=True)
class Lines:
    """Order lines by customer and time; customer and product are row numbers, `at` is in days."""

    customer: Ints
    at: Floats
    order: Ints
    product: Ints
    quantity: Ints
    discount: Floats


def draw_orders(rng: np.random.Generator, market: Market) -> tuple[Ints, Floats, Floats]:
    """Customer and day of each order, and the day on which each customer leaves (inf: never).

    A thinned Poisson process per customer, with a geometric number of orders until the customer leaves.
    """
    tastes, days = market.tastes, market.period.days
    joined = np.minimum(tastes.joined, days)
    rate = np.where(tastes.buyer, tastes.rate * market.activity, 0.0)
    customer = np.repeat(np.arange(len(joined)), rng.poisson(rate * PEAK * (days - joined)))
    at = joined[customer] + rng.random(len(customer)) * (days - joined)[customer]
    kept = rng.random(len(at)) < busyness(market.period, at) / PEAK * _tempted(market, customer, at)
    first = np.flatnonzero(tastes.buyer)
    customer, at = _ordered(np.concatenate([customer[kept], first]), np.concatenate([at[kept], joined[first]]))
    orders, rank = rng.geometric(tastes.leaves), _rank(customer)
    gone = np.full(len(joined), np.inf)
    last = rank == orders[customer] - 1
    gone[customer[last]] = at[last]
    at = _time_of_day(rng, at, tastes.hours[customer])
    kept = (rank < orders[customer]) & (at >= 0) & (at < days)
    return customer[kept], at[kept], gone


def draw_next_orders(rng: np.random.Generator, market: Market, gone: Floats, since: float) -> tuple[Ints, Floats]:
    """The same customers' orders from day `since` to the period's end; few of those who left come back."""
    tastes, span = market.tastes, market.period.days - since
    rate = np.where(tastes.buyer, tastes.rate, 0.0) * np.where(np.isfinite(gone), 0.02, 1.0)
    customer = np.repeat(np.arange(len(rate)), rng.poisson(rate * market.activity * PEAK * span))
    at = since + rng.random(len(customer)) * span
    kept = rng.random(len(at)) < busyness(market.period, at) / PEAK * _tempted(market, customer, at)
    return _ordered(customer[kept], at[kept])


def draw_lines(rng: np.random.Generator, market: Market, customer: Ints, at: Floats) -> Lines:
    """The lines of each order; a customer buys a durable product only once, and no product before it was on sale."""
    order = np.repeat(np.arange(len(at)), 1 + rng.poisson(0.9, len(at)))
    customer, at = customer[order], at[order]
    product = choose_products(rng, market, customer, at)
    again = market.catalogue.again[product]
    products = len(market.catalogue.price)
    kept = again | _first_of(customer * products + product)
    kept &= (market.catalogue.since[product] <= at) & _first_of(order * products + product)
    quantity = 1 + np.where(again, rng.poisson(0.7, len(order)), 0)
    discount = _discounts(rng, market, customer, at)
    return Lines(customer[kept], at[kept], order[kept], product[kept], quantity[kept], discount[kept])


def choose_products(rng: np.random.Generator, market: Market, customer: Ints, at: Floats) -> Ints:
    """A product for each purchase: the category by taste and season, the collection by taste, then by popularity."""
    season = category_factors(CATEGORIES)[market.period.month(at)]
    category = _pick(rng, market.tastes.category[customer] * season)
    collection = _pick(rng, market.tastes.collection[customer])
    return market.catalogue.choose(category, collection, rng.random(len(customer)))


def draw_visits(rng: np.random.Generator, market: Market, gone: Floats) -> tuple[Ints, Floats]:
    """Customer and day of each product view without a purchase; few after the customer has left."""
    days, tastes = market.period.days, market.tastes
    start = np.clip(tastes.joined, 0, days)
    left = np.clip(gone + 20, start, days)
    here, away = left - start, 0.06 * (days - left)
    visits = rng.poisson((0.006 + 0.4 * tastes.rate) * market.activity * (here + away))
    customer = np.repeat(np.arange(len(visits)), visits)
    place = rng.random(len(customer)) * (here + away)[customer]
    beyond = np.maximum(place - here[customer], 0)
    at = start[customer] + np.minimum(place, here[customer]) + beyond / 0.06
    at = _time_of_day(rng, at, tastes.hours[customer])
    looked = np.repeat(np.arange(len(at)), 1 + rng.poisson(1.2, len(at)))
    customer, at = customer[looked], at[looked] + rng.exponential(0.004, len(looked))
    kept = (at >= 0) & (at < days)
    return customer[kept], at[kept]


def draw_opens(rng: np.random.Generator, market: Market, gone: Floats) -> tuple[Ints, Floats]:
    """Customer and day of each opened newsletter; customers who left open far fewer."""
    tastes, days = market.tastes, market.period.days
    subscribed = np.flatnonzero(tastes.newsletter)
    issues = np.arange(3.4, days, NEWSLETTER_EVERY / market.activity)
    customer, sent = np.repeat(subscribed, len(issues)), np.tile(issues, len(subscribed))
    keen = np.where(sent > gone[customer] + 30, 0.3, 1.0) * (sent > tastes.joined[customer])
    opened = rng.random(len(sent)) < tastes.opens[customer] * keen
    at = sent[opened] + rng.lognormal(-2.2, 1.2, int(opened.sum()))
    return customer[opened][at < days], at[at < days]


def events_of(
    rng: np.random.Generator, market: Market, lines: Lines, visits: tuple[Ints, Floats], opens: tuple[Ints, Floats]
) -> pl.DataFrame:
    """All events in one compact frame: customer and product as row numbers, `at` in days."""
    looked = choose_products(rng, market, *visits)
    left_in_cart = np.flatnonzero(rng.random(len(looked)) < 0.06)
    clicked = np.flatnonzero(rng.random(len(opens[0])) < 0.11)
    return pl.concat(
        [
            *surroundings(rng, market.catalogue, lines),
            _rows("view", *visits, looked),
            _rows("add_to_cart", visits[0][left_in_cart], visits[1][left_in_cart] + 0.001, looked[left_in_cart]),
            _rows("email_open", *opens),
            _rows("email_click", opens[0][clicked], opens[1][clicked] + 0.0005),
        ]
    )


def surroundings(rng: np.random.Generator, catalogue: Catalogue, lines: Lines) -> list[pl.DataFrame]:
    """The purchases, and the events before and after them."""
    size = len(lines.at)
    paid = np.round(catalogue.price[lines.product] * lines.quantity * (1 - lines.discount), 2)
    seen = np.repeat(np.arange(size), rng.integers(0, 4, size))
    carted, rated, returned = (np.flatnonzero(rng.random(size) < share) for share in (0.85, 0.14, 0.05))
    stars = np.clip(np.round(rng.normal(4.2, 0.9, len(rated))), 1, 5)
    return [
        _rows(
            "purchase",
            lines.customer,
            lines.at,
            lines.product,
            amount=paid,
            quantity=lines.quantity,
            order=lines.order,
            discount=lines.discount,
        ),
        _rows("view", *_shifted(lines, seen, -rng.exponential(2.0, len(seen)))),
        _rows("add_to_cart", *_shifted(lines, carted, -rng.exponential(0.02, len(carted)) - 0.001)),
        _rows("rating", *_shifted(lines, rated, rng.uniform(4, 30, len(rated))), amount=stars),
        _rows(
            "return",
            *_shifted(lines, returned, rng.uniform(3, 25, len(returned))),
            amount=paid[returned],
            quantity=lines.quantity[returned],
            order=lines.order[returned],
        ),
    ]


def _rows(type_: str, customer: Ints, at: Floats, product: Ints | None = None, **more: Ints | Floats) -> pl.DataFrame:
    """Compact events of one type; columns that they lack are null."""
    values = {"customer": customer, "at": at, **more} | ({} if product is None else {"product": product})
    return pl.DataFrame(
        {
            "type": pl.repeat(type_, len(at), dtype=TYPES, eager=True),
            **{
                name: pl.Series(values[name]).cast(dtype)
                if name in values
                else pl.repeat(None, len(at), dtype=dtype, eager=True)
                for name, dtype in _COMPACT.items()
            },
        }
    )


_COMPACT = {
    "customer": pl.Int32,
    "at": pl.Float64,
    "product": pl.Int32,
    "order": pl.Int32,
    "quantity": pl.Int16,
    "amount": pl.Float64,
    "discount": pl.Float32,
}


def _shifted(lines: Lines, rows: Ints, by: Floats) -> tuple[Ints, Floats, Ints]:
    return lines.customer[rows], lines.at[rows] + by, lines.product[rows]


def _tempted(market: Market, customer: Ints, at: Floats) -> Floats:
    """Outside a sale, a price-sensitive customer mostly waits."""
    tempted: Floats = np.where(sale(market.period, at) > 0, 1.0, 1 - 0.75 * market.tastes.thrift[customer])
    return tempted


def _discounts(rng: np.random.Generator, market: Market, customer: Ints, at: Floats) -> Floats:
    """The discount of a product in the sale, or a voucher's 10 %, which price-sensitive customers look for."""
    thrift = market.tastes.thrift[customer]
    in_sale = sale(market.period, at) * (rng.random(len(at)) < 0.5 + 0.5 * thrift)
    voucher = 0.1 * (rng.random(len(at)) < 0.03 + 0.7 * thrift**2)
    discount: Floats = np.maximum(in_sale, voucher)
    return discount


def _time_of_day(rng: np.random.Generator, at: Floats, hours: Floats) -> Floats:
    """The same day at an hour when people shop: around noon or in the evening, local time."""
    local = np.where(rng.random(len(at)) < 0.35, rng.normal(12.5, 2.0, len(at)), rng.normal(20.0, 1.6, len(at)))
    moved: Floats = np.floor(at) + (np.clip(local, 6, 23.9) - hours) / 24
    return moved


def _pick(rng: np.random.Generator, weights: Floats) -> Ints:
    """One column for each row, drawn with that row's weights."""
    cumulated = weights.cumsum(axis=1)
    wanted = rng.random(len(weights))[:, None] * cumulated[:, -1:]
    picked: Ints = np.minimum((cumulated <= wanted).sum(axis=1), weights.shape[1] - 1)
    return picked


def _ordered(customer: Ints, at: Floats) -> tuple[Ints, Floats]:
    order = np.lexsort((at, customer))
    return customer[order], at[order]


def _rank(group: Ints) -> Ints:
    """Each row's position in its run of equal values, from 0."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.arange(len(group)) - np.repeat(starts, np.diff(starts, append=len(group)))


def _first_of(keys: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    first = np.zeros(len(keys), dtype=np.bool_)
    first[np.unique(keys, return_index=True)[1]] = True
    return first
