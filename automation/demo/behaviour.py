"""What the demo shop's customers do next: everyday purchases, and responses to messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import polars as pl

from automation.demo.catalogue import COLLECTIONS, interest
from automation.demo.history import Market, choose_products, draw_lines, draw_next_orders, surroundings
from automation.demo.season import Floats, Ints, Period
from automation.demo.shop import Shop, name_events
from automation.types.offer import Offer

TYPICAL_BASKET = 60  # euros, to compare an offer of an amount with one of a percentage
LIKED_ANYWAY = 0.25  # how well a message without products matches a taste
SAVED_UP = 120  # days without a purchase after which a message has the greatest effect


def everyday(shop: Shop, since: datetime, until: datetime, *, seed: int) -> pl.DataFrame:
    """Events of all customers that happen without any message, from `since` (included) to `until` (excluded).

    Columns of the shop's events. Customers in a holdout do only this, so the lift is real.
    """
    rng = np.random.default_rng([seed, int(since.timestamp())])
    first, last = ((at - shop.period.start).total_seconds() / 86_400 for at in (since, until))
    market = Market(shop.tastes, shop.catalogue, Period(shop.period.start, last))
    customer, at = draw_next_orders(rng, market, shop.gone, first)
    lines = draw_lines(rng, market, customer, at)
    events = pl.concat(surroundings(rng, shop.catalogue, lines)).filter(pl.col("at") >= first, pl.col("at") < last)
    ids = shop.customers["customer_id"], shop.products["product_id"]
    return name_events(events, *ids, shop.period, series=f"{since:%y%m%d%H%M}-")


def reactions(shop: Shop, messages: pl.DataFrame, offers: Mapping[str, Offer], *, seed: int) -> pl.DataFrame:
    """How customers respond to delivered messages: opens, clicks, views, purchases and unsubscribes.

    messages: message_id String, customer_id String, sent_at Datetime(us, UTC), items List[String] (product ids),
    offer String? (a key of `offers`), variant String?. Returns the columns of the shop's events, ordered by time, each
    with its message_id and later than its message. What somebody does depends on their taste, their price sensitivity
    and whether they had left the shop.
    """
    rng = np.random.default_rng([seed, len(messages), 5])
    sent = _responses(rng, _sent(rng, shop, messages, offers))
    bought = sent.filter("bought")
    parts = [
        _events(sent.filter("opened"), "email_open", "read_at"),
        _events(sent.filter("clicked"), "email_click", "click_at"),
        _events(sent.filter("clicked"), "view", "view_at", product="wanted"),
        _events(bought, "purchase", "order_at", product="wanted"),
        _events(bought.filter("another"), "purchase", "order_at", product="own_choice"),
        _events(sent.filter("unsubscribed"), "unsubscribe", "click_at"),
    ]
    prices = shop.products.select("product_id", "price")
    return _priced(pl.concat(parts), prices).select(shop.events.columns).sort("occurred_at", "event_id")


def _sent(rng: np.random.Generator, shop: Shop, messages: pl.DataFrame, offers: Mapping[str, Offer]) -> pl.DataFrame:
    """The messages, each with its customer's traits, their favourite item in it, and what they would buy without it."""
    messages = messages.filter(pl.col("message_id").is_not_null())
    people = shop.customers.select("customer_id").with_row_index("customer")
    contacts = messages.join(people, on="customer_id", how="inner", maintain_order="left")
    customer = contacts["customer"].to_numpy().astype(np.int64)
    sent = (contacts["sent_at"] - shop.period.start).dt.total_seconds().to_numpy() / 86_400
    own = choose_products(rng, Market(shop.tastes, shop.catalogue, shop.period), customer, sent)
    value = {name: _share(offer) for name, offer in offers.items()}
    contacts = contacts.with_columns(
        thrift=pl.Series(shop.tastes.thrift[customer]),
        opens=pl.Series(shop.tastes.opens[customer]),
        lapsed=pl.Series(shop.gone[customer] < sent),
        discount=pl.col("offer").replace_strict(value, default=0.0, return_dtype=pl.Float64),
        own_choice=shop.products["product_id"].gather(own),
    )
    contacts = contacts.join(_last_purchases(shop), on="customer_id", how="left", maintain_order="left")
    liked = _liked(rng, shop, contacts)
    return contacts.join(liked, on="message_id", how="left", maintain_order="left").with_columns(
        wishes=((pl.col("sent_at") - pl.col("last")) / pl.duration(days=SAVED_UP)).clip(0.1, 1).fill_null(0.1),
        match=pl.col("match").fill_null(LIKED_ANYWAY),
        wanted=pl.coalesce("wanted", "own_choice"),
    )


def _last_purchases(shop: Shop) -> pl.DataFrame:
    bought = shop.events.filter(pl.col("type") == "purchase")
    return bought.group_by("customer_id").agg(last=pl.col("occurred_at").max())


def _liked(rng: np.random.Generator, shop: Shop, contacts: pl.DataFrame) -> pl.DataFrame:
    """message_id, how well its items match the customer's taste (0 … 1), and the item that they would choose."""
    number = shop.products.select("product_id").with_row_index("product")
    shown = contacts.select("message_id", "customer", product_id="items").explode("product_id").drop_nulls()
    shown = shown.join(number, on="product_id", how="inner", maintain_order="left")
    likes = affinity(shop, shown["customer"].to_numpy(), shown["product"].to_numpy())
    # The largest log-weight plus Gumbel noise is a draw by weight.
    appeal = np.log(likes + 1e-9) + rng.gumbel(size=len(likes))
    return (
        shown.with_columns(likes=pl.Series(likes), appeal=pl.Series(appeal))
        .group_by("message_id", maintain_order=True)
        .agg(
            match=1 - (-pl.col("likes").mean() / 4).exp(),
            wanted=pl.col("product_id").get(pl.col("appeal").arg_max()),
        )
    )


def affinity(shop: Shop, customer: Ints, product: Ints) -> Floats:
    """How much more than the average customer these customers like these products; 1 is the average."""
    category, collection = shop.catalogue.category[product], shop.catalogue.collection[product]
    likes: Floats = (
        shop.tastes.category[customer, category]
        / interest()[category]
        * shop.tastes.collection[customer, collection]
        * len(COLLECTIONS)
    )
    return likes


def _share(offer: Offer) -> float:
    """The share of a typical basket that an offer takes off."""
    if offer.kind == "percent":
        return float(offer.value)
    return min(float(offer.value) / TYPICAL_BASKET, 0.5) if offer.kind == "amount" else 0.0


def _responses(rng: np.random.Generator, contacts: pl.DataFrame) -> pl.DataFrame:
    """Who opened, clicked, bought and unsubscribed, and when. A discount attracts the price-sensitive."""
    size = len(contacts)
    curious = pl.when(pl.col("variant") == "question").then(1.25).otherwise(1.0)
    deal = (0.15 + 0.85 * pl.col("thrift") ** 1.5) * (pl.col("discount") / 0.2).clip(0, 1)
    opens = pl.col("opens") * curious * pl.when("lapsed").then(0.85).otherwise(1.0)
    return (
        contacts.with_columns(pl.Series(f"u{n}", rng.random(size)) for n in range(5))
        .with_columns(opened=pl.col("u0") < opens)
        .with_columns(clicked=pl.col("opened") & (pl.col("u1") < 0.1 + 0.5 * pl.col("match") + 0.4 * deal))
        .with_columns(
            bought=pl.col("clicked") & (pl.col("u2") < pl.col("wishes") * (0.05 + 0.15 * pl.col("match") + 0.9 * deal)),
            unsubscribed=pl.col("opened") & ~pl.col("clicked") & (pl.col("u3") < 0.012 * (1 - pl.col("match"))),
            another=(pl.col("u4") < 0.4) & (pl.col("own_choice") != pl.col("wanted")),
        )
        .with_columns(read_at=_later("sent_at", 60 + 3600 * rng.lognormal(1.0, 1.1, size)))
        .with_columns(click_at=_later("read_at", 5 + rng.exponential(90, size)))
        .with_columns(view_at=_later("click_at", np.full(size, 2.0)))
        .with_columns(order_at=_later("view_at", 120 + rng.exponential(40_000, size)))
    )


def _later(column: str, seconds: Floats) -> pl.Expr:
    return pl.col(column) + pl.lit(pl.Series((seconds * 1e6).astype("timedelta64[us]")))


def _events(contacts: pl.DataFrame, type_: str, at: str, *, product: str | None = None) -> pl.DataFrame:
    """Responses of one kind; their ids derive from the message's, so importing them twice adds nothing."""
    return contacts.select(
        "customer_id",
        "message_id",
        event_id=pl.format("{}-{}", "message_id", pl.lit(f"{type_}-{product}" if product else type_)),
        type=pl.lit(type_),
        occurred_at=pl.col(at).dt.truncate("1s"),
        product_id=pl.col(product) if product else pl.lit(None, dtype=pl.String),
        discount="discount",
    )


def _priced(events: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Purchases get an order, a quantity and the discounted amount; other events get none of these."""
    bought = pl.when(pl.col("type") == "purchase")
    return events.join(prices, on="product_id", how="left", maintain_order="left").with_columns(
        order_id=bought.then("o-" + pl.col("message_id")),
        quantity=bought.then(1.0),
        amount=bought.then((pl.col("price") * (1 - pl.col("discount"))).round(2)),
        currency=bought.then(pl.lit("EUR")),
        discount=bought.then("discount"),
    )
