"""Reactions answer messages that were sent, and messages change what customers do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from automation.demo.behaviour import affinity, everyday, reactions
from automation.demo.shop import Shop, generate
from automation.types.offer import Offer

UNTIL = datetime(2026, 9, 7, tzinfo=UTC)
SENT = UNTIL + timedelta(hours=9)
OFFERS = {
    "pct20": Offer(name="pct20", kind="percent", value=Decimal("0.2"), label="20 % off"),
    "five": Offer(name="five", kind="amount", value=Decimal(5), label="5 EUR off"),
}


@pytest.fixture(scope="module")
def shop() -> Shop:
    return generate(7, until=UNTIL)


def _messages(
    shop: Shop, *, items: list[list[str]], offer: str | None = None, variant: str | None = None
) -> pl.DataFrame:
    count = len(shop.customers)
    return pl.DataFrame(
        {
            "message_id": [f"m{number:04d}" for number in range(count)],
            "customer_id": shop.customers["customer_id"],
            "sent_at": pl.Series([SENT] * count, dtype=pl.Datetime("us", "UTC")),
            "items": pl.Series(items, dtype=pl.List(pl.String)),
            "offer": pl.Series([offer] * count, dtype=pl.String),
            "variant": pl.Series([variant] * count, dtype=pl.String),
        }
    )


def _favourites(shop: Shop) -> list[list[str]]:
    ids = shop.products["product_id"].to_numpy()
    rows = np.arange(len(ids))
    return [
        ids[np.argsort(-affinity(shop, np.full(len(ids), customer), rows))[:6]].tolist()
        for customer in range(len(shop.customers))
    ]


def _count(events: pl.DataFrame, type_: str) -> int:
    return int((events["type"] == type_).to_numpy().sum())


def test_every_reaction_answers_a_message_of_that_customer_after_it_was_sent(shop: Shop) -> None:
    messages = _messages(shop, items=[[] for _ in range(3000)])
    events = reactions(shop, messages, OFFERS, seed=1)
    assert events.columns == shop.events.columns
    assert events.schema == shop.events.schema
    assert events["event_id"].n_unique() == len(events)
    owner = dict(messages.select("message_id", "customer_id").iter_rows())
    assert [owner[message] for message in events["message_id"]] == events["customer_id"].to_list()
    assert events["occurred_at"].to_numpy().min() > np.datetime64(SENT.replace(tzinfo=None))
    assert events["occurred_at"].is_sorted()


def test_who_clicks_has_opened_and_who_buys_has_clicked(shop: Shop) -> None:
    events = reactions(shop, _messages(shop, items=_favourites(shop)), OFFERS, seed=1)
    when = {
        type_: dict(part.select("message_id", "occurred_at").iter_rows())
        for (type_,), part in events.sort("occurred_at", descending=True).group_by("type")
    }
    assert set(when["purchase"]) <= set(when["email_click"]) <= set(when["email_open"])
    assert all(when["email_open"][message] < at for message, at in when["email_click"].items())
    assert all(when["email_click"][message] < at for message, at in when["purchase"].items())


def test_the_same_seed_gives_the_same_reactions(shop: Shop) -> None:
    messages = _messages(shop, items=_favourites(shop), offer="five")
    assert_frame_equal(reactions(shop, messages, OFFERS, seed=1), reactions(shop, messages, OFFERS, seed=1))
    assert not reactions(shop, messages, OFFERS, seed=2).equals(reactions(shop, messages, OFFERS, seed=1))


def test_products_of_ones_taste_are_clicked_and_bought_more_than_one_product_for_all(shop: Shop) -> None:
    liked = reactions(shop, _messages(shop, items=_favourites(shop)), OFFERS, seed=1)
    same = reactions(shop, _messages(shop, items=[["p0200"]] * 3000), OFFERS, seed=1)
    assert _count(liked, "email_click") > 2 * _count(same, "email_click")
    assert _count(liked, "purchase") > 3 * _count(same, "purchase")


def test_a_discount_moves_the_price_sensitive_more_than_the_others(shop: Shop) -> None:
    items = _favourites(shop)
    plain = reactions(shop, _messages(shop, items=items), OFFERS, seed=1)
    cheap = reactions(shop, _messages(shop, items=items, offer="pct20"), OFFERS, seed=1)
    thrift = dict(zip(shop.customers["customer_id"], shop.tastes.thrift, strict=True))

    def buyers(events: pl.DataFrame, least: float, most: float) -> int:
        bought = events.filter(pl.col("type") == "purchase")["customer_id"].unique()
        return sum(least <= thrift[customer] <= most for customer in bought)

    sensitive = buyers(cheap, 0.6, 1) / buyers(plain, 0.6, 1)
    indifferent = buyers(cheap, 0, 0.15) / buyers(plain, 0, 0.15)
    assert sensitive > 3
    assert indifferent < 0.7 * sensitive


def test_what_is_bought_with_an_offer_costs_less_by_it(shop: Shop) -> None:
    events = reactions(shop, _messages(shop, items=_favourites(shop), offer="pct20"), OFFERS, seed=1)
    bought = events.filter(pl.col("type") == "purchase").join(shop.products, on="product_id")
    assert np.abs(bought["amount"].to_numpy() - 0.8 * bought["price"].to_numpy()).max() < 0.006


def test_a_question_as_subject_is_opened_more(shop: Shop) -> None:
    items: list[list[str]] = [[] for _ in range(3000)]
    plain = reactions(shop, _messages(shop, items=items, variant="plain"), OFFERS, seed=1)
    question = reactions(shop, _messages(shop, items=items, variant="question"), OFFERS, seed=1)
    assert 1.15 < _count(question, "email_open") / _count(plain, "email_open") < 1.35


def test_a_customer_without_a_message_reacts_to_nothing(shop: Shop) -> None:
    held_out = _messages(shop, items=_favourites(shop)).with_columns(message_id=pl.lit(None, dtype=pl.String))
    assert reactions(shop, held_out, OFFERS, seed=1).is_empty()


def test_everyday_life_goes_on_for_all_who_stay_and_few_who_left(shop: Shop) -> None:
    later = UNTIL + timedelta(days=14)
    events = everyday(shop, UNTIL, later, seed=1)
    assert events.schema == shop.events.schema
    at = events["occurred_at"].to_numpy()
    assert at.min() >= np.datetime64(UNTIL.replace(tzinfo=None))
    assert at.max() < np.datetime64(later.replace(tzinfo=None))
    buyers = events.filter(pl.col("type") == "purchase")["customer_id"].unique()
    bought = shop.customers["customer_id"].is_in(buyers.implode()).to_numpy()
    left = np.isfinite(shop.gone)
    assert 0.1 < bought[~left].mean() < 0.3
    assert 0 < bought[left].mean() < 0.02


def test_two_stretches_of_everyday_life_share_no_event(shop: Shop) -> None:
    middle = UNTIL + timedelta(days=7)
    first = everyday(shop, UNTIL, middle, seed=1)
    second = everyday(shop, middle, middle + timedelta(days=7), seed=1)
    assert not set(first["event_id"]) & (set(second["event_id"]) | set(shop.events["event_id"]))
    assert_frame_equal(first, everyday(shop, UNTIL, middle, seed=1))
