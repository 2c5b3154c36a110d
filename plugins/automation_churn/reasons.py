"""The three strongest reasons for each customer's score, as text, built with column expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from automation_churn.preprocessing import COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from automation_churn.preprocessing import Matrix

MAX_REASONS = 3
MIN_SHARE = 0.05
"""A theme is a reason only above this share of a customer's total contributions."""

THEMES = {
    "last": ("recency", "lateness", "visit_recency", "never_visited", "visits_30"),
    "rhythm": ("frequency", "rate", "gap_mean", "gap_deviation", "gap_last", "bought_once"),
    "lately": ("days_30", "days_90", "days_180", "trend", "money_30", "money_90"),
    "money": ("money", "basket", "basket_last"),
    "range": ("products", "lines"),
    "tenure": ("tenure",),
    "season": ("season",),
    "returns": ("returns",),
}
"""Related columns form one theme, so that the three reasons differ."""


def find_strongest_themes(contributions: Matrix) -> NDArray[np.int64]:
    """(customers, 3): indices into `THEMES`, strongest first, −1 for none.

    contributions: (customers, columns), positive if a column raised the score. For customers above the average the
    reasons are the themes that raised the score, for all others the themes that lowered it. A customer has at least one
    reason if any column contributed.
    """
    membership = np.array([[column in columns for columns in THEMES.values()] for column in COLUMNS], np.float64)
    themes = contributions @ membership
    directed = np.where(themes.sum(axis=1, keepdims=True) > 0, themes, -themes)
    order = np.argsort(-directed, axis=1, kind="stable")[:, :MAX_REASONS]
    strength = np.take_along_axis(directed, order, axis=1)
    enough = strength > MIN_SHARE * np.abs(themes).sum(axis=1, keepdims=True)
    return np.where(enough, order, -1)


def describe_themes(features: pl.DataFrame, themes: NDArray[np.int64]) -> pl.Series:
    """The reasons as text, List[String], at most 3. features: the raw feature columns, one row per customer."""
    numbered = features.lazy().with_columns(
        pl.Series(f"theme_{rank}", themes[:, rank], pl.Int64) for rank in range(themes.shape[1])
    )
    texts = [text for _, text in sorted(_texts().items(), key=lambda item: list(THEMES).index(item[0]))]
    ranked = [_choose(f"theme_{rank}", texts) for rank in range(themes.shape[1])]
    return numbered.select(reasons=pl.concat_list(ranked).list.drop_nulls()).collect()["reasons"]


def _choose(theme: str, texts: list[pl.Expr]) -> pl.Expr:
    chosen: pl.Expr = pl.lit(None, pl.String)
    for number, text in enumerate(texts):
        chosen = pl.when(pl.col(theme) == number).then(text).otherwise(chosen)
    return chosen


def _texts() -> dict[str, pl.Expr]:
    once = pl.col("frequency") < 2
    return {
        "last": pl.when(once)
        .then(pl.format("last bought {} ago", _count("recency", "day")))
        .otherwise(pl.format("last bought {} ago, usually every {}", _count("recency", "day"), _number("gap_mean"))),
        "rhythm": pl.when(once)
        .then(pl.lit("bought only once"))
        .otherwise(pl.format("bought on {} in {}", _count("frequency", "day"), _count("tenure", "day"))),
        "lately": pl.when(pl.col("days_90") == 0)
        .then(pl.lit("bought nothing in the last 90 days"))
        .otherwise(
            pl.format("bought on {} of the last 90 days, {} of the last 30", _number("days_90"), _number("days_30"))
        ),
        "money": pl.format("spent {} per purchase day, {} in total", _money("basket"), _money("money")),
        "range": pl.format("bought {}", _count("products", "different product")),
        "tenure": pl.format("first bought {} ago", _count("tenure", "day")),
        "season": pl.when(pl.col("season") == 0)
        .then(pl.lit("bought nothing at this time last year"))
        .otherwise(pl.lit("bought at this time last year")),
        "returns": pl.when(pl.col("returns") == 0)
        .then(pl.lit("returned nothing"))
        .otherwise(pl.format("returned {}", _count("returns", "item"))),
    }


def _number(column: str) -> pl.Expr:
    return pl.col(column).round(0).cast(pl.Int64).cast(pl.String)


def _count(column: str, noun: str) -> pl.Expr:
    number = pl.col(column).round(0).cast(pl.Int64)
    return pl.when(number == 1).then(pl.lit(f"1 {noun}")).otherwise(pl.format("{} " + noun + "s", number))


def _money(column: str) -> pl.Expr:
    return pl.col(column).round(2).cast(pl.Decimal(None, 2)).cast(pl.String)
