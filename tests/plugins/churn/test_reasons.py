from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from automation_churn.features import FEATURES
from automation_churn.preprocessing import COLUMNS
from automation_churn.reasons import THEMES, describe_themes, find_strongest_themes

USUAL = {
    "recency": 143.4,
    "tenure": 400.0,
    "frequency": 12.0,
    "gap_mean": 30.2,
    "days_30": 0.0,
    "days_90": 2.0,
    "season": 1.0,
    "money": 1234.5,
    "basket": 102.875,
    "products": 9.0,
    "returns": 2.0,
}
ONCE = {
    "recency": 1.0,
    "tenure": 1.0,
    "frequency": 1.0,
    "days_30": 1.0,
    "days_90": 0.0,
    "season": 0.0,
    "money": 5.0,
    "basket": 5.0,
    "products": 1.0,
    "returns": 0.0,
}


def said(known: dict[str, float], theme: str) -> str:
    row = {name: known.get(name) for name in FEATURES}
    frame = pl.DataFrame([row], schema=dict.fromkeys(FEATURES, pl.Float64()))
    found = describe_themes(frame, np.array([[list(THEMES).index(theme), -1, -1]])).to_list()
    assert len(found[0]) == 1
    return str(found[0][0])


@pytest.mark.parametrize(
    ("theme", "usual", "once"),
    [
        ("last", "last bought 143 days ago, usually every 30", "last bought 1 day ago"),
        ("rhythm", "bought on 12 days in 400 days", "bought only once"),
        ("lately", "bought on 2 of the last 90 days, 0 of the last 30", "bought nothing in the last 90 days"),
        ("money", "spent 102.88 per purchase day, 1234.50 in total", "spent 5.00 per purchase day, 5.00 in total"),
        ("range", "bought 9 different products", "bought 1 different product"),
        ("tenure", "first bought 400 days ago", "first bought 1 day ago"),
        ("season", "bought at this time last year", "bought nothing at this time last year"),
        ("returns", "returned 2 items", "returned nothing"),
    ],
)
def test_every_theme_in_words(theme: str, usual: str, once: str) -> None:
    assert said(USUAL, theme) == usual
    assert said(ONCE, theme) == once


def test_every_column_belongs_to_one_theme() -> None:
    assert sorted(column for columns in THEMES.values() for column in columns) == sorted(COLUMNS)


def row(**contributions: float) -> list[float]:
    return [contributions.get(name, 0.0) for name in COLUMNS]


def test_columns_of_one_theme_are_one_reason() -> None:
    # lately 0.2 + 0.2 beats recency 0.3; money speaks against the risk; tenure is too weak to mention.
    contributions = np.array([row(days_30=0.2, money_90=0.2, recency=0.3, money=-0.5, tenure=0.01)])
    names = list(THEMES)
    assert [names[place] for place in find_strongest_themes(contributions)[0] if place >= 0] == ["lately", "last"]


def test_who_stays_is_told_what_speaks_for_staying() -> None:
    contributions = np.array([row(recency=-0.3, money=-0.5, products=-0.1, season=-0.2, tenure=0.9)])
    names = list(THEMES)
    assert [names[place] for place in find_strongest_themes(contributions)[0]] == ["money", "last", "season"]


def test_without_anything_that_moved_there_is_no_reason() -> None:
    assert find_strongest_themes(np.array([row()])).tolist() == [[-1, -1, -1]]
    frame = pl.DataFrame([dict.fromkeys(FEATURES, 1.0)])
    assert describe_themes(frame, np.array([[-1, -1, -1]])).to_list() == [[]]
