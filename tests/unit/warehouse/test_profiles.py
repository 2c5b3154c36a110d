"""Profiles of four customers, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from automation.contracts.columns import POLARS_TYPES
from automation.types.profile import PROFILE_COLUMNS, PROFILE_MEANINGS
from automation.warehouse.embedded import open_warehouse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_profiles_by_hand(tmp_path: Path) -> None:
    rows = [
        ("1", "ana", "purchase", at("2024-01-01 23:59:00"), 10.0, "o1"),
        ("2", "ana", "purchase", at("2024-01-02 00:01:00"), 5.5, "o2"),
        ("3", "ana", "purchase", at("2024-01-02 18:00:00"), None, "o3"),
        ("4", "ana", "view", at("2024-01-09 00:00:00"), 99.0, None),
        ("5", "ben", "purchase", at("2024-01-08 12:00:00"), None, None),
        ("6", "eve", "view", at("2024-01-08 12:00:00"), None, None),
        ("7", "ana", "purchase", at("2024-01-10 00:00:00"), 7.0, "o4"),  # not before the instant
    ]
    schema = pl.Schema(
        {
            "event_id": pl.String(),
            "customer_id": pl.String(),
            "type": pl.String(),
            "occurred_at": pl.Datetime("us", "UTC"),
            "amount": pl.Float64(),
            "order_id": pl.String(),
        }
    )
    warehouse = open_warehouse(tmp_path)
    warehouse.append_events(pl.DataFrame(rows, schema=schema, orient="row"))
    frame = warehouse.snapshot(at("2024-01-10 00:00:00")).profiles.to_polars().sort("customer_id")
    assert dict(frame.schema) == {name: POLARS_TYPES[kind] for name, kind in PROFILE_COLUMNS.items()}
    names = ("customer_id", "recency_days", "frequency", "orders", "monetary", "first_purchase_at", "last_purchase_at")
    assert frame.select(names).rows() == [
        ("ana", 7.25, 2, 3, 15.5, at("2024-01-01 23:59:00"), at("2024-01-02 18:00:00")),
        ("ben", 1.5, 1, 1, 0.0, at("2024-01-08 12:00:00"), at("2024-01-08 12:00:00")),
    ]
    warehouse.close()


def test_every_field_says_what_it_means() -> None:
    assert set(PROFILE_MEANINGS) == set(PROFILE_COLUMNS) - {"customer_id"}
