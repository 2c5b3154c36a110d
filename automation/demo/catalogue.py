"""The demo shop's products: categories, collections, prices and how popular each is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from automation.demo.season import Floats, Ints

# Category: nouns, median price, share of all interest, whether the same product is bought repeatedly.
_CATEGORIES: dict[str, tuple[tuple[str, ...], float, float, bool]] = {
    "lamps": (("table lamp", "floor lamp", "pendant", "wall light", "reading lamp"), 89, 0.10, False),
    "ceramics": (("vase", "bowl", "mug", "serving plate", "jug"), 29, 0.12, False),
    "textiles": (("wool throw", "cushion", "linen sheet", "rug", "curtain"), 49, 0.12, False),
    "tea": (("green tea", "herbal tea", "black tea", "chai", "rooibos"), 12, 0.10, True),
    "kitchen": (("bread knife", "cutting board", "enamel pot", "kettle", "tea towel"), 34, 0.12, False),
    "garden": (("watering can", "planter", "bird house", "hand trowel", "garden lantern"), 39, 0.11, False),
    "candles": (("pillar candle", "scented candle", "candlestick", "tealight set", "lantern"), 18, 0.09, True),
    "furniture": (("stool", "side table", "bench", "armchair", "shelf"), 210, 0.05, False),
    "storage": (("basket", "wall hook rail", "storage box", "coat stand", "tray"), 32, 0.06, False),
    "bath": (("bath towel", "soap dish", "bath mat", "soap", "mirror"), 26, 0.05, False),
    "children": (("wooden train", "mobile", "night light", "growth chart", "play tent"), 28, 0.04, False),
    "gifts": (("gift set", "notebook", "card set", "puzzle", "calendar"), 16, 0.04, False),
}
CATEGORIES = tuple(_CATEGORIES)
COLLECTIONS = ("Norrsken", "Skogsbo", "Havet", "Sommarro")
_WORDS = (
    "Alva", "Astrid", "Birka", "Bris", "Dagny", "Ebba", "Eira", "Elin", "Embla", "Fjell", "Freja", "Frost", "Gran",
    "Gry", "Hav", "Hedda", "Idun", "Inga", "Ingrid", "Is", "Juni", "Kari", "Klippa", "Lilja", "Linnea", "Liv", "Ljung",
    "Lo", "Maja", "Malin", "Moln", "Nor", "Oda", "Ran", "Runa", "Saga", "Signe", "Siv", "Sol", "Tove", "Ulla", "Vind",
)  # fmt: skip


@dataclass(frozen=True)
class Catalogue:
    """What the simulation needs to know of every product, by its row number in the products frame.

    reach: shape (categories × collections, products), each row the cumulated probability with which somebody who looks
    for that category in that collection takes the product; zero-width outside the category.
    """

    category: Ints
    collection: Ints
    price: Floats
    again: NDArray[np.bool_]
    since: Floats  # day of the period from which it is sold; negative = always was
    reach: Floats

    def choose(self, category: Ints, collection: Ints, u: Floats) -> Ints:
        """One product for each category and collection; u is uniform in [0, 1)."""
        row = category * len(COLLECTIONS) + collection
        lifted = (self.reach + np.arange(len(self.reach))[:, None]).ravel()
        found = np.searchsorted(lifted, u + row, side="right")
        products: Ints = np.minimum(found - row * self.reach.shape[1], self.reach.shape[1] - 1)
        return products


def interest() -> Floats:
    """The share of all interest that each category draws."""
    share: Floats = np.array([entry[2] for entry in _CATEGORIES.values()])
    total: Floats = share / share.sum()
    return total


def make_catalogue(
    rng: np.random.Generator, count: int, start: datetime, days: float
) -> tuple[pl.DataFrame, Catalogue]:
    """`count` products, spread over the categories by interest, and their frame with the warehouse's columns."""
    if count < len(CATEGORIES):
        raise ValueError(f"a shop needs at least {len(CATEGORIES)} products, one per category")
    each = np.maximum(1, np.floor(interest() * count)).astype(np.int64)
    each[np.argmax(each)] += count - each.sum()
    category = np.repeat(np.arange(len(CATEGORIES)), each)
    collection = rng.integers(0, len(COLLECTIONS), count)
    middle = np.array([entry[1] for entry in _CATEGORIES.values()])[category]
    price = np.round(middle * rng.lognormal(0, 0.45, count)) + np.where(rng.random(count) < 0.6, 0.9, 0.0)
    always = rng.random(count) < 0.75
    since = np.where(always, -rng.uniform(30, 900, count), rng.uniform(0, days * 0.9, count))
    again = np.array([entry[3] for entry in _CATEGORIES.values()])[category]
    catalogue = Catalogue(category, collection, price, again, since, _reach(category, collection, each))
    return _frame(rng, catalogue, start), catalogue


def _reach(category: Ints, collection: Ints, each: Ints) -> Floats:
    """Popularity falls with a product's rank in its category; the preferred collection counts eightfold."""
    rank = np.arange(len(category)) - np.repeat(np.cumsum(each) - each, each)
    popularity = (rank + 2.0) ** -0.9
    shape = (len(CATEGORIES), len(COLLECTIONS), len(category))
    weight = np.zeros(shape)
    for wanted in range(len(COLLECTIONS)):
        taken = popularity * np.where(collection == wanted, 8.0, 1.0)
        weight[category, wanted, np.arange(len(category))] = taken
    cumulated = weight.cumsum(axis=2)
    reach: Floats = (cumulated / cumulated[:, :, -1:]).reshape(-1, len(category))
    return reach


def _frame(rng: np.random.Generator, catalogue: Catalogue, start: datetime) -> pl.DataFrame:
    count = len(catalogue.price)
    ids = [f"p{number:04d}" for number in range(1, count + 1)]
    stock = np.where(rng.random(count) < 0.06, 0, rng.integers(3, 160, count)).astype(np.float64)
    created = [start.astimezone(UTC) + timedelta(days=round(day)) for day in catalogue.since.tolist()]
    return pl.DataFrame(
        {
            "product_id": ids,
            "name": _names(rng, catalogue.category),
            "category": [CATEGORIES[number] for number in catalogue.category],
            "brand": [COLLECTIONS[number] for number in catalogue.collection],
            "price": catalogue.price,
            "currency": ["EUR"] * count,
            "url": [f"https://lindholm.example/p/{name}" for name in ids],
            "image_url": [f"https://lindholm.example/images/{name}.jpg" for name in ids],
            "stock": stock,
            "created_at": pl.Series(created, dtype=pl.Datetime("us", "UTC")),
            "cost": np.round(catalogue.price * rng.uniform(0.38, 0.62, count), 2),
        }
    )


def _names(rng: np.random.Generator, category: Ints) -> list[str]:
    names: list[str] = []
    for number in range(len(CATEGORIES)):
        nouns = _CATEGORIES[CATEGORIES[number]][0]
        pairs = [f"{word} {noun}" for word in _WORDS for noun in nouns]
        order = rng.permutation(len(pairs))
        wanted = int((category == number).sum())
        for place in range(wanted):
            turn, pick = divmod(place, len(pairs))
            names.append(pairs[order[pick]] + (f" No. {turn + 1}" if turn else ""))
    return names
