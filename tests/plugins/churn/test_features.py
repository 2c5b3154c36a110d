"""Features of the toy shop, worked out by hand; days are whole days before 30 March, 09:00."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import ibis
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from automation.contracts import Snapshot
from automation.testing.lapsing_shop import LAPSING_AS_OF, lapsing_events
from automation.testing.toy_shop import TOY_AS_OF, toy_events, toy_snapshot
from automation_churn.features import FEATURES, compute_features, find_buyers

BOUGHT = ("purchase",)


def known(data: Snapshot, cut: datetime, *, horizon: int = 60, history: int = 730) -> pl.DataFrame:
    table = compute_features(
        data.events,
        cut,
        horizon=timedelta(days=horizon),
        history=timedelta(days=history),
        bought=BOUGHT,
        visited=("view", "search", "add_to_cart"),
    )
    frame: pl.DataFrame = table.order_by("customer_id").to_polars()
    return frame


def one(frame: pl.DataFrame, customer: str) -> dict[str, Any]:
    return frame.row(by_predicate=pl.col("customer_id") == customer, named=True)


def test_a_customer_with_three_purchase_days() -> None:
    # Ana bought 146, 37 and 10 days ago, and looked at something a day ago.
    assert one(known(toy_snapshot(), TOY_AS_OF), "c1") == pytest.approx(
        {
            "customer_id": "c1",
            "recency": 10,
            "tenure": 146,
            "frequency": 3,
            "rate": 30 * 3 / 147,
            "gap_mean": (109 + 27) / 2,
            "gap_deviation": 41,
            "gap_last": 27,
            "lateness": 10 / 68,
            "days_30": 1,
            "days_90": 2,
            "days_180": 3,
            "trend": 1,
            "season": 0,
            "money": 8 + 23.5 + 9.9,
            "money_30": 9.9,
            "money_90": 33.4,
            "basket": 41.4 / 3,
            "basket_last": 9.9,
            "products": 3,
            "lines": 4,
            "returns": 0,
            "visit_recency": 1,
            "visits_30": 1,
        }
    )


def test_a_customer_with_one_purchase_has_no_gap() -> None:
    eve = one(known(toy_snapshot(), TOY_AS_OF), "c5")
    assert (eve["recency"], eve["tenure"], eve["frequency"]) == (697, 697, 1)
    assert [eve[name] for name in ("gap_mean", "gap_deviation", "gap_last", "lateness", "visit_recency")] == [None] * 5


def test_only_customers_who_bought_within_the_history_are_known() -> None:
    assert known(toy_snapshot(), TOY_AS_OF)["customer_id"].to_list() == ["c1", "c2", "c3", "c4", "c5", "c7"]
    assert "c5" not in known(toy_snapshot(), TOY_AS_OF, history=697)["customer_id"]


def test_columns_are_all_float() -> None:
    schema = known(toy_snapshot(), TOY_AS_OF).schema
    assert dict(schema) == {"customer_id": pl.String()} | dict.fromkeys(FEATURES, pl.Float64())


def test_returns_and_last_years_season() -> None:
    days = {"purchase": (365, 306, 305, 20), "return": (300, 10)}
    rows = [
        {"event_id": f"{kind}{ago}", "customer_id": "c1", "type": kind, "occurred_at": TOY_AS_OF - timedelta(days=ago)}
        for kind, agos in days.items()
        for ago in agos
    ]
    made = pl.DataFrame(rows, schema_overrides={"occurred_at": pl.Datetime("us", "UTC")})
    events = pl.concat([toy_events().clear(), made], how="diagonal")
    ana = one(known(toy_snapshot(events=events), TOY_AS_OF), "c1")
    # 60 days from today a year ago were 365 to 306 days ago.
    assert (ana["season"], ana["returns"], ana["money"]) == (2, 2, 0)


def test_events_at_or_after_the_cut_are_ignored() -> None:
    events = lapsing_events(60, seed=3)
    everything = toy_snapshot(LAPSING_AS_OF, events=events)
    cut = events["occurred_at"].sort()[len(events) // 2]
    assert isinstance(cut, datetime)
    assert_frame_equal(known(everything, cut), known(toy_snapshot(cut, events=events), cut))


def test_a_purchase_at_the_cut_belongs_to_the_target() -> None:
    later = toy_snapshot(TOY_AS_OF + timedelta(days=1))
    stayed = find_buyers(later.events, TOY_AS_OF, horizon=timedelta(days=1), bought=BOUGHT)
    assert stayed.to_polars()["customer_id"].to_list() == ["c4"]  # Dev's mug, bought at TOY_AS_OF to the minute
    assert one(known(later, TOY_AS_OF), "c4")["recency"] == 14
    assert (
        find_buyers(later.events, TOY_AS_OF - timedelta(days=1), horizon=timedelta(days=1), bought=BOUGHT)
        .to_polars()
        .is_empty()
    )


def test_the_engines_time_zone_does_not_matter() -> None:
    data = toy_snapshot()
    expected = known(data, TOY_AS_OF)
    connection: Any = data.events.get_backend()
    connection.raw_sql("SET TimeZone = 'Pacific/Auckland'")
    assert_frame_equal(known(data, TOY_AS_OF), expected)


def test_features_are_one_lazy_expression() -> None:
    table = compute_features(
        toy_snapshot().events, TOY_AS_OF, horizon=timedelta(60), history=timedelta(730), bought=BOUGHT, visited=()
    )
    assert isinstance(table, ibis.expr.types.Table)
    assert "SELECT" in ibis.to_sql(table, dialect="postgres")
