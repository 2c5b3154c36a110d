"""Rating tables for tests, and Surprise's own model of them as an oracle."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

from automation.testing.toy_shop import toy_events
from automation_surprise.options import SurpriseKnnOptions
from automation_surprise.ratings import RATED, Ratings, build_rating_matrix

AT = datetime(2026, 3, 1, tzinfo=UTC)
Table = dict[tuple[str, str], float]


@st.composite
def rating_tables(draw: st.DrawFn) -> Table:
    """2 to 7 customers and products; few different stars, so that many similarities are equal."""
    customers, products = draw(st.integers(2, 7)), draw(st.integers(2, 7))
    cells = [(f"c{c}", f"p{p}") for c in range(customers) for p in range(products)]
    stars = st.sampled_from([1.0, 2.0, 2.5, 4.0, 5.0])
    table = draw(st.dictionaries(st.sampled_from(cells), stars, min_size=4, max_size=len(cells)))
    return table | {("c0", "p0"): 1.0, ("c1", "p1"): 5.0}


def random_table(customers: int, products: int, ratings: int, seed: int = 1) -> Table:
    """Half stars at random places; a few customers and products have many, most have few."""
    chance = np.random.default_rng(seed)
    who = (chance.beta(0.7, 2, ratings) * customers).astype(int)
    what = (chance.beta(0.7, 2, ratings) * products).astype(int)
    stars = chance.integers(2, 11, ratings) / 2
    return {(f"c{c:03}", f"p{p:03}"): float(r) for c, p, r in zip(who, what, stars, strict=True)}


def as_ratings(table: Table) -> Ratings:
    frame = pl.DataFrame(
        {
            "customer_id": [c for c, _ in table],
            "product_id": [p for _, p in table],
            "rating": list(table.values()),
            "kind": np.full(len(table), RATED, np.int8),
        }
    )
    return build_rating_matrix(frame, frame["customer_id"].unique().sort(), frame["product_id"].unique().sort())


def as_events(table: Table) -> pl.DataFrame:
    """One rating event each, the columns of the warehouse's events."""
    made = pl.DataFrame(
        {
            "event_id": [f"e{n}" for n in range(len(table))],
            "customer_id": [c for c, _ in table],
            "type": "rating",
            "occurred_at": pl.Series([datetime(2026, 1, 1, tzinfo=UTC)] * len(table), dtype=pl.Datetime("us", "UTC")),
            "product_id": [p for _, p in table],
            "amount": list(table.values()),
        }
    )
    return pl.concat([toy_events().clear(), made], how="diagonal")


def surprise_model(table: Table, options: SurpriseKnnOptions) -> Any:
    """Surprise's own way in: rows ordered by customer and product, through its Reader and Dataset."""
    import surprise

    rows = [(customer, product, stars, None) for (customer, product), stars in sorted(table.items())]
    data = surprise.Dataset(surprise.Reader(rating_scale=options.scale))
    asked = {
        "name": options.similarity,
        "user_based": options.based_on == "users",
        "min_support": options.min_support,
        "shrinkage": options.shrinkage,
    }
    model = getattr(surprise, options.algorithm)(
        k=options.neighbours, min_k=options.min_neighbours, sim_options=asked, verbose=False
    )
    return model.fit(data.construct_trainset(rows))
