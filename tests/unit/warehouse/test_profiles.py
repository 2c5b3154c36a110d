"""Profiles of four customers, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from automation.types.profile import PROFILE_COLUMNS
from automation.warehouse.embedded import open_warehouse
from automation.warehouse.tables import POLARS_TYPES


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_profiles_by_hand(tmp_path: Path) -> None:
    rows = [
        ("1", "ana", "purchase", at("2024-01-01 23:59:00"), 10.0),
        ("2", "ana", "purchase", at("2024-01-02 00:01:00"), 5.5),
        ("3", "ana", "purchase", at("2024-01-02 18:00:00"), None),
        ("4", "ana", "view", at("2024-01-09 00:00:00"), 99.0),
        ("5", "ben", "purchase", at("2024-01-08 12:00:00"), None),
        ("6", "eve", "view", at("2024-01-08 12:00:00"), None),
        ("7", "ana", "purchase", at("2024-01-10 00:00:00"), 7.0),  # not before the instant
    ]
    schema = pl.Schema(
        {
            "event_id": pl.String(),
            "customer_id": pl.String(),
            "type": pl.String(),
            "occurred_at": pl.Datetime("us", "UTC"),
            "amount": pl.Float64(),
        }
    )
    warehouse = open_warehouse(tmp_path)
    warehouse.append_events(pl.DataFrame(rows, schema=schema, orient="row"))
    frame = warehouse.snapshot(at("2024-01-10 00:00:00")).profiles.to_polars().sort("customer_id")
    assert dict(frame.schema) == {name: POLARS_TYPES[kind] for name, kind in PROFILE_COLUMNS.items()}
    names = ("customer_id", "recency_days", "frequency", "monetary", "first_purchase_at", "last_purchase_at")
    assert frame.select(names).rows() == [
        ("ana", 7.25, 2, 15.5, at("2024-01-01 23:59:00"), at("2024-01-02 18:00:00")),
        ("ben", 1.5, 1, 0.0, at("2024-01-08 12:00:00"), at("2024-01-08 12:00:00")),
    ]
    warehouse.close()
