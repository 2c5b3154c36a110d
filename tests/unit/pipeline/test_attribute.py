"""Who is credited with what, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import ibis
import polars as pl
import pytest

from automation.pipeline.attribute import MODELS, TOUCHES, Model, attribute

_EVENTS = pl.Schema(
    {"event_id": pl.String(), "customer_id": pl.String(), "type": pl.String(), "occurred_at": TOUCHES["at"]}
)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def day(number: float) -> datetime:
    return NOON + timedelta(days=number)


def touches(*rows: tuple[int, str, str, float, float]) -> pl.DataFrame:
    """touch, customer, campaign, and the days on which it is made and ends."""
    given = [(n, customer, campaign, "purchase", day(at), day(until)) for n, customer, campaign, at, until in rows]
    return pl.DataFrame(given, schema=TOUCHES, orient="row")


def events(*rows: tuple[str, str, float], type_: str = "purchase") -> pl.DataFrame:
    given = [(name, customer, type_, day(at)) for name, customer, at in rows]
    return pl.DataFrame(given, schema=_EVENTS, orient="row")


def credits(happened: pl.DataFrame, touched: pl.DataFrame, model: Model) -> dict[tuple[str, int], float]:
    found = attribute(ibis.memtable(happened), ibis.memtable(touched), model).to_polars()
    assert found.columns == ["event_id", "touch", "credit"]
    return {(event, touch): credit for event, touch, credit in found.rows()}


THREE = touches((1, "ana", "a", 0, 7), (2, "ana", "b", 1, 8), (3, "ana", "a", 2, 9), (4, "ben", "a", 0, 7))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("last", {("o1", 2): 1.0, ("o2", 3): 1.0}),
        ("first", {("o1", 1): 1.0, ("o2", 1): 1.0}),
        ("linear", {("o1", 1): 0.5, ("o1", 2): 0.5, ("o2", 1): 1 / 3, ("o2", 2): 1 / 3, ("o2", 3): 1 / 3}),
    ],
)
def test_the_models(model: Model, expected: dict[tuple[str, int], float]) -> None:
    bought = events(("o1", "ana", 1.5), ("o2", "ana", 3), ("o3", "cem", 3))
    assert credits(bought, THREE, model) == pytest.approx(expected)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("at", "counts"), [(0, False), (1e-9, True), (7, True), (7.0001, False)])
def test_the_window_opens_after_the_message_and_closes_with_the_goals_time(
    model: Model, at: float, counts: bool
) -> None:
    exact = touches((1, "ana", "a", 0, 7))
    moment = events(("o", "ana", at)).with_columns(
        pl.col("occurred_at") + (pl.duration(microseconds=1) if at == 1e-9 else pl.duration())
    )
    assert credits(moment, exact, model) == ({("o", 1): 1.0} if counts else {})


@pytest.mark.parametrize("model", MODELS)
def test_what_is_not_the_goal_counts_for_nothing(model: Model) -> None:
    assert credits(events(("o", "ana", 3), type_="view"), THREE, model) == {}


def test_of_two_messages_at_one_moment_the_later_decision_is_the_later() -> None:
    same = touches((7, "ana", "a", 0, 7), (8, "ana", "b", 0, 7))
    assert credits(events(("o", "ana", 1)), same, "last") == {("o", 8): 1.0}
    assert credits(events(("o", "ana", 1)), same, "first") == {("o", 7): 1.0}


@pytest.mark.parametrize("model", MODELS)
def test_every_event_that_a_touch_precedes_is_credited_once_in_all(model: Model) -> None:
    draw = pl.Series(range(400))
    many = touches(*((i, f"c{i % 40}", f"k{i % 3}", (i * 7919 % 97) / 10, (i * 7919 % 97) / 10 + 5) for i in draw))
    bought = events(*((f"o{i}", f"c{i % 45}", (i * 104729 % 151) / 10) for i in draw))
    found = credits(bought, many, model)
    whole: dict[str, float] = {}
    for (event, _), credit in found.items():
        whole[event] = whole.get(event, 0) + credit
    open_ = [(row[1], row[4], row[5]) for row in many.rows()]
    preceded = {e for e, c, _, at in bought.rows() if any(c == who and a < at <= u for who, a, u in open_)}
    assert set(whole) == preceded
    assert list(whole.values()) == pytest.approx([1.0] * len(preceded))
