"""The demo shop's customers: who they are, and what influences them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from automation.demo.catalogue import COLLECTIONS, interest
from automation.demo.season import Floats, Ints, Period

# Country, language, zone, hours ahead of UTC (only for the time of day of their events), share, city, postcode.
_HOMES = (
    ("DE", "de", "Europe/Berlin", 1, 0.50, "Hamburg", "20095"),
    ("FR", "fr", "Europe/Berlin", 1, 0.15, "Lyon", "69001"),
    ("ES", "es", "Europe/Berlin", 1, 0.10, "Valencia", "46001"),
    ("PT", "en", "Europe/Lisbon", 0, 0.07, "Porto", "4000-008"),
    ("FI", "en", "Europe/Helsinki", 2, 0.10, "Turku", "20100"),
    ("US", "en", "America/New_York", -5, 0.08, "Portland", "04101"),
)
_FIRST = {
    "de": ("Anna", "Jürgen", "Lena", "Paul", "Miriam", "Jörg", "Sofie", "Felix", "Käthe", "Tim"),
    "fr": ("Léa", "Hugo", "Chloé", "Louis", "Zoé", "Jules", "Inès", "Noël", "Camille", "Rémi"),
    "es": ("Lucía", "Iñigo", "Carmen", "Pablo", "Sofía", "Mateo", "Elena", "Ángel", "Marta", "Diego"),
    "en": ("Emma", "Oliver", "Aino", "João", "Grace", "Jack", "Helmi", "Inês", "Ruth", "Eero"),
}
_LAST = {
    "de": ("Müller", "Schmidt", "Weiß", "Fischer", "Krüger", "Vogel", "Brandt", "Lorenz"),
    "fr": ("Martin", "Bernard", "Lefèvre", "Moreau", "Girard", "Roux", "Fontaine", "Chevalier"),
    "es": ("García", "Núñez", "López", "Romero", "Peña", "Ortega", "Vidal", "Ibáñez"),
    "en": ("Virtanen", "Silva", "Carter", "O'Neill", "Korhonen", "Pereira", "Hayes", "Bennett"),
}


@dataclass(frozen=True)
class Tastes:
    """Hidden preferences, one row per customer; times are in days of the period.

    category: shape (customers, categories), collection: (customers, collections); rows sum to 1.
    rate: orders a day while a customer stays; leaves: probability of leaving after an order (BG/NBD: Fader, Hardie
    and Lee 2005). thrift: from 0 (ignores prices) to 1 (buys almost only at a discount). opens: probability of opening
    a mail. hours: their zone's hours ahead of UTC. buyer: False for newsletter readers who never order.
    """

    category: Floats
    collection: Floats
    rate: Floats
    leaves: Floats
    thrift: Floats
    opens: Floats
    joined: Floats
    hours: Floats
    buyer: NDArray[np.bool_]
    newsletter: NDArray[np.bool_]

    def part(self, first: int, last: int) -> Tastes:
        """The rows from `first` up to `last`."""
        return Tastes(**{name: value[first:last] for name, value in vars(self).items()})


def make_people(rng: np.random.Generator, count: int, period: Period) -> tuple[pl.DataFrame, Tastes]:
    """`count` customers with the warehouse's columns (loyalty_tier is added from their history)."""
    home = rng.choice(len(_HOMES), count, p=[entry[4] for entry in _HOMES])
    tastes = _tastes(rng, count, home, period)
    return _frame(rng, home, tastes, period), tastes


def _tastes(rng: np.random.Generator, count: int, home: Ints, period: Period) -> Tastes:
    founding = rng.random(count) < 0.35
    joined = np.where(founding, -rng.uniform(0, 500, count), period.days * rng.random(count) ** 0.8)
    return Tastes(
        category=_dirichlet(rng, interest() * 2.2, count),
        collection=_dirichlet(rng, np.full(len(COLLECTIONS), 0.35), count),
        rate=rng.gamma(0.6, 1 / 40 / 0.6, count),
        leaves=np.maximum(rng.beta(0.4, 6.0, count), 1e-4),
        thrift=np.where(rng.random(count) < 0.3, rng.beta(6, 2, count), rng.beta(1.5, 6, count)),
        opens=rng.beta(2.8, 4.0, count),
        joined=joined,
        hours=np.array([entry[3] for entry in _HOMES], dtype=np.float64)[home],
        buyer=rng.random(count) < 0.93,
        newsletter=rng.random(count) < 0.85,
    )


def _dirichlet(rng: np.random.Generator, weights: Floats, count: int) -> Floats:
    drawn = rng.standard_gamma(weights, (count, len(weights))) + 1e-6
    shares: Floats = drawn / drawn.sum(axis=1, keepdims=True)
    return shares


def _frame(rng: np.random.Generator, home: Ints, tastes: Tastes, period: Period) -> pl.DataFrame:
    count = len(home)
    number = pl.Series(np.arange(1, count + 1))
    at_home = {name: pl.Series([entry[place] for entry in _HOMES]) for place, name in _HOME_COLUMNS.items()}
    first, last = _names(rng, at_home["language"].gather(home))
    frame = pl.DataFrame({"n": number, "first_name": first, "last_name": last}).with_columns(
        customer_id=pl.format("c{}", pl.col("n").cast(pl.String).str.zfill(6)),
        email=pl.format(
            "{}.{}.{}@example.{}",
            pl.Series(_plain(first)),
            pl.Series(_plain(last)),
            "n",
            pl.Series(rng.choice(["com", "net", "org"], count)),
        ),
        phone=pl.format("+49555{}", pl.col("n").cast(pl.String).str.zfill(7)),
        **{name: values.gather(home) for name, values in at_home.items()},
        birthday=pl.Series(rng.integers(-14_600, 13_500, count).astype("datetime64[D]")),
        created_at=pl.Series(period.instants(tastes.joined - 0.01)).cast(pl.Datetime("us", "UTC")),
        newsletter_consent=_consent(rng, tastes.newsletter),
        promotions_consent=_consent(rng, (tastes.newsletter & (rng.random(count) < 0.93)) | (rng.random(count) < 0.3)),
    )
    return _with_gaps(rng, frame).drop("n")


def _consent(rng: np.random.Generator, agreed: NDArray[np.bool_]) -> pl.Series:
    """Consent as true or missing; a few of those without it said no (false)."""
    refused = ~agreed & (rng.random(len(agreed)) < 0.15)
    return pl.select(pl.when(pl.Series(agreed)).then(True).when(pl.Series(refused)).then(False)).to_series()


_HOME_COLUMNS = {0: "country", 1: "language", 2: "timezone", 5: "city", 6: "postcode"}
_MISSING = {"email": 0.02, "phone": 0.4, "birthday": 0.25, "timezone": 0.04, "language": 0.01}


def _with_gaps(rng: np.random.Generator, frame: pl.DataFrame) -> pl.DataFrame:
    """Missing values, as in real data: each of these columns is empty for its share of the customers."""
    gaps = {name: pl.Series(rng.random(len(frame)) < share) for name, share in _MISSING.items()}
    return frame.with_columns(pl.when(~gap).then(pl.col(name)).alias(name) for name, gap in gaps.items())


def _names(rng: np.random.Generator, language: pl.Series) -> tuple[pl.Series, pl.Series]:
    """First and last names that are common in the customer's language."""
    speaks = language.to_numpy()
    first, last = np.empty(len(speaks), dtype=object), np.empty(len(speaks), dtype=object)
    for name, usual in _FIRST.items():
        mine = speaks == name
        first[mine] = rng.choice(usual, mine.sum())
        last[mine] = rng.choice(_LAST[name], mine.sum())
    return pl.Series(first, dtype=pl.String), pl.Series(last, dtype=pl.String)


def _plain(names: pl.Series) -> pl.Series:
    """For an e-mail address: lower case, without accents and apostrophes."""
    known = names.unique().sort()
    plain = [
        unicodedata.normalize("NFKD", name)
        .replace("ß", "ss")
        .encode("ascii", "ignore")
        .decode()
        .replace("'", "")
        .lower()
        for name in known
    ]
    return names.replace_strict(known, pl.Series(plain))
