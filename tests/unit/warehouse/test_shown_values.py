"""What texts show of a customer's profile and last order, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automation.testing.toy_shop import toy_events, toy_snapshot
from automation.types.shown_values import ShownValues
from automation.warehouse.shown_values import freeze_shown_values, read_shown_values

ORDER = ShownValues((), ("day", "days_since", "id", "product_count", "total"))
LINES = ShownValues((), ("day", "lines"))


def bought(*lines: tuple[str, str | None, str | None, float | None, float | None]) -> pl.DataFrame:
    """Purchases of c8: when, order, product, quantity, amount."""
    rows = [
        (f"x{number}", "c8", "purchase", datetime.fromisoformat(at).replace(tzinfo=UTC), product, order, *figures)
        for number, (at, order, product, *figures) in enumerate(lines)
    ]
    schema = toy_events().schema
    names = ("event_id", "customer_id", "type", "occurred_at", "product_id", "order_id", "quantity", "amount")
    frame = pl.DataFrame(rows, schema={name: schema[name] for name in names}, orient="row")
    return frame.with_columns(pl.lit(None, dtype=schema[name]).alias(name) for name in schema if name not in names)


def of_c8(shown: ShownValues, *lines: Any) -> list[dict[str, Any]]:
    events = bought(*lines).select(toy_events().columns)
    rows = read_shown_values(toy_snapshot(events=events), shown, pl.Series(["c8"]))
    return [{name.split(".")[1]: value for name, value in row.items() if "." in name} for row in rows.to_dicts()]


def test_the_last_order_of_the_toy_shop_s_customers() -> None:
    """c4's order at the very instant is not before it, and c6 never bought."""
    found = read_shown_values(toy_snapshot(), ORDER, pl.Series([f"c{n}" for n in (1, 2, 3, 4, 6)]))
    assert [tuple(row.values()) for row in found.select(pl.exclude("last_order.day")).to_dicts()] == [
        ("c1", 10, "o4", 1, 9.9),
        ("c2", 29, "o6", 1, 22.5),
        ("c3", 20, "o10", 1, 19.8),
        ("c4", 14, "o11", 2, 26.0),
        ("c6", None, None, None, None),
    ]
    assert found["last_order.day"].to_list()[3] == datetime(2026, 3, 15, 19, tzinfo=UTC)
    assert found["last_order.day"].to_list()[4] is None


def test_the_products_of_an_order_are_named_by_the_catalogue_the_most_expensive_first() -> None:
    found = of_c8(
        LINES,
        ("2026-03-01 10:00", "a", "p1", 1.0, 8.0),
        ("2026-03-02 10:00", "b", "p2", 1.0, 0.1),
        ("2026-03-02 10:00", "b", "p2", 2.0, 0.2),
        ("2026-03-02 10:01", "b", "p6", None, 39.0),
        ("2026-03-02 10:00", "b", "gone", 1.0, 5.0),
        ("2026-03-02 10:00", "b", "p5", 1.0, None),
        ("2026-03-02 10:00", "b", None, 1.0, 4.0),  # postage
    )
    assert [tuple(line[name] for name in ("product_id", "name", "quantity", "amount")) for line in found] == [
        ("p6", "Teapot", 1.0, 39.0),
        ("gone", None, 1.0, 5.0),
        ("p2", "Black Tea", 3.0, 0.3),
        ("p5", "Mug", 1.0, None),
    ]
    assert (found[0]["url"], found[0]["category"]) == ("https://shop.example/p6", "kitchen")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("2026-03-02 10:00", "b", "p1", 1.0, 8.0), ("2026-03-02 10:00", "b", None, 1.0, 4.0)], ("b", 1, 12.0)),
        ([("2026-03-02 10:00", "b", "p1", 1.0, 8.0), ("2026-03-02 10:00", "b", "p2", 1.0, None)], ("b", 2, None)),
        ([("2026-03-02 10:00", "b", "p1", 1.0, 8.0), ("2026-03-02 10:00", "c", "p2", 1.0, 7.0)], ("c", 1, 7.0)),
        ([("2026-03-02 10:00", None, "p1", 1.0, 8.0), ("2026-03-02 23:00", None, "p2", 1.0, 7.0)], (None, 2, 15.0)),
        ([("2026-03-02 10:00", None, "p1", 1.0, 8.0), ("2026-03-03 01:00", None, "p2", 1.0, 7.0)], (None, 1, 7.0)),
        ([("2026-03-02 10:00", "b", "p1", 1.0, float("nan"))], ("b", 1, None)),
        ([("2026-03-02 10:00", "b", "p1", 1.0, 1e300), ("2026-03-02 10:00", "b", "p2", 1.0, 1.0)], ("b", 2, None)),
    ],
    ids=["with postage", "an unknown amount", "two at once", "a day without ids", "two days without ids", "no number",
         "an impossible amount"],
)  # fmt: skip
def test_what_an_order_is_and_costs(lines: Any, expected: tuple[Any, ...]) -> None:
    (found,) = of_c8(ORDER, *lines)
    assert (found["id"], found["product_count"], found["total"]) == expected


def test_a_long_order_is_cut_and_counted_whole() -> None:
    order = [("2026-03-02 10:00", "b", f"q{number:02}", 1.0, float(number)) for number in range(60)]
    found = of_c8(ShownValues((), ("day", "lines", "product_count", "total")), *order)
    assert [line["amount"] for line in found] == [float(number) for number in range(59, 9, -1)]
    assert (found[0]["product_count"], found[0]["total"]) == (60, 1770.0)


def test_each_batch_is_what_a_look_at_all_events_finds(tmp_path: Path) -> None:
    data, shown = toy_snapshot(), ShownValues(("lifecycle", "orders", "top_category"), ("day", "lines", "total"))
    members = pl.DataFrame({"customer_id": [f"c{n}" for n in range(1, 9)]}).with_columns(
        batch=(pl.int_range(8, dtype=pl.Int32) // 3)
    )
    members.write_parquet(tmp_path / "members.parquet")
    frozen = freeze_shown_values(data, shown, tmp_path / "members.parquet", tmp_path / "values.parquet")
    assert frozen.batch(1).equals(read_shown_values(data, shown, pl.Series(["c4", "c5", "c6"])))
    assert frozen.batch(1).select("customer_id", "profile.lifecycle", "profile.orders", "line.name").rows() == [
        ("c4", "new", 1, "Espresso Beans"), ("c4", "new", 1, "Filter Coffee"),
        ("c5", "lost", 1, "Green Tea"), ("c6", "never_bought", None, None),
    ]  # fmt: skip
    assert frozen.batch(0)["profile.top_category"].to_list() == ["tea", "tea", "coffee"]
