"""The kept profile table: what it is made of, when it may be read, and what a crash or a change leaves of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partialmethod
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from automation.types.profile import Lifecycle
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.profiling import kept_tables
from automation.warehouse.profiling.offsets import list_offsets

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = open_warehouse(tmp_path / "warehouse", threads=1)
    people = pl.DataFrame({"customer_id": ["ana", "ben"], "timezone": ["Asia/Tokyo", None]})
    made.upsert("customers", people)
    made.upsert("products", pl.DataFrame({"product_id": ["p1"], "category": ["tea"], "brand": ["Nord"]}))
    return made


def buy(warehouse: Warehouse, event_id: str, who: str, at: datetime, amount: float = 10.0) -> None:
    row = {"event_id": event_id, "customer_id": who, "type": "purchase", "occurred_at": at, "amount": amount}
    frame = pl.DataFrame([{**row, "product_id": "p1"}])
    warehouse.append_events(frame.with_columns(pl.col("occurred_at").cast(pl.Datetime("us", "UTC"))))


def profile(warehouse: Warehouse, who: str, as_of: datetime, **how: Lifecycle) -> dict[str, object]:
    found = warehouse.snapshot(as_of, timezone="UTC", **how).profiles  # type: ignore[arg-type]
    return dict(found.filter(found.customer_id == who).to_polars().row(0, named=True))


def test_only_the_touched_are_measured_again(warehouse: Warehouse) -> None:
    buy(warehouse, "1", "ana", MONDAY)
    assert warehouse.refresh_profiles().how == "everybody"
    assert warehouse.refresh_profiles().how == "nothing"
    buy(warehouse, "2", "ana", MONDAY + timedelta(days=1))
    done = warehouse.refresh_profiles()
    assert (done.how, done.customers) == ("touched", 1)
    found = profile(warehouse, "ana", MONDAY + timedelta(days=3))
    assert (found["frequency"], found["monetary"], found["recency_days"]) == (2, 20.0, 2.0)
    assert found["usual_hour_buying"] == 21  # noon in UTC, in Tokyo


@pytest.mark.slow
def test_who_was_touched_stays_beside_the_whole_until_they_are_many(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automation.warehouse.profiling.refreshing._MERGE_RATIO", 2)
    written: list[str] = []
    write = kept_tables.write_table

    def note(rows: object, folder: object, name: str, **how: object) -> int:
        written.append(name)
        return write(rows, folder, name, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(kept_tables, "write_table", note)
    buy(warehouse, "1", "ana", MONDAY)
    assert warehouse.refresh_profiles().how == "everybody"
    found = []
    for number, who in enumerate(("ana", "ana", "ben"), 2):
        written.clear()
        buy(warehouse, str(number), who, MONDAY + timedelta(days=number), amount=float(number))
        assert warehouse.refresh_profiles().customers == 1
        found.append((kept_tables.PROFILES in written, profile(warehouse, who, MONDAY + timedelta(days=9))["monetary"]))
    assert found == [(False, 12.0), (False, 15.0), (True, 4.0)]
    assert profile(warehouse, "ana", MONDAY + timedelta(days=9))["monetary"] == 15.0
    assert warehouse.snapshot(MONDAY + timedelta(days=9)).profiles.count().to_polars() == 2


def test_an_event_that_comes_again_changes_nothing(warehouse: Warehouse) -> None:
    buy(warehouse, "1", "ana", MONDAY)
    warehouse.refresh_profiles()
    buy(warehouse, "1", "ana", MONDAY)
    warehouse.refresh_profiles()
    assert profile(warehouse, "ana", MONDAY + timedelta(days=1))["monetary"] == 10.0


def test_recency_and_stage_are_of_the_moment_that_asks(warehouse: Warehouse) -> None:
    buy(warehouse, "1", "ana", MONDAY)
    warehouse.refresh_profiles()
    terms = Lifecycle(at_risk_after=timedelta(days=10), lapsed_after=timedelta(days=20), lost_after=timedelta(days=30))
    stages = [profile(warehouse, "ana", MONDAY + timedelta(days=n), lifecycle=terms) for n in (10, 11, 21, 31)]
    assert [one["lifecycle"] for one in stages] == ["new", "at_risk", "lapsed", "lost"]
    assert [one["recency_days"] for one in stages] == [10.0, 11.0, 21.0, 31.0]
    assert profile(warehouse, "ben", MONDAY + timedelta(days=10))["lifecycle"] == "never_bought"


def test_won_back_after_a_long_absence(warehouse: Warehouse) -> None:
    buy(warehouse, "1", "ana", MONDAY - timedelta(days=400))
    buy(warehouse, "2", "ana", MONDAY)
    warehouse.refresh_profiles()
    assert profile(warehouse, "ana", MONDAY + timedelta(days=1))["lifecycle"] == "won_back"


def test_the_past_knows_nothing_of_later_events(warehouse: Warehouse) -> None:
    buy(warehouse, "1", "ana", MONDAY)
    buy(warehouse, "2", "ana", MONDAY + timedelta(days=5))
    warehouse.refresh_profiles()
    assert profile(warehouse, "ana", MONDAY + timedelta(days=5))["frequency"] == 1
    assert profile(warehouse, "ana", MONDAY + timedelta(days=5, microseconds=1))["frequency"] == 2


def test_a_table_older_than_the_warehouse_is_not_read(warehouse: Warehouse) -> None:
    buy(warehouse, "1", "ana", MONDAY)
    warehouse.refresh_profiles()
    buy(warehouse, "2", "ana", MONDAY)
    assert profile(warehouse, "ana", MONDAY + timedelta(days=1))["monetary"] == 20.0


def test_moving_and_sorting_elsewhere_touch_who_they_concern(warehouse: Warehouse) -> None:
    buy(warehouse, "1", "ana", MONDAY)
    buy(warehouse, "2", "ben", MONDAY)
    warehouse.refresh_profiles()
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ["ana"], "timezone": ["America/New_York"]}))
    done = warehouse.refresh_profiles()
    assert (done.how, done.customers) == ("touched", 1)
    assert profile(warehouse, "ana", MONDAY + timedelta(days=1))["usual_hour_buying"] == 7
    warehouse.upsert("products", pl.DataFrame({"product_id": ["p1"], "category": ["coffee"], "brand": ["Nord"]}))
    done = warehouse.refresh_profiles()
    assert (done.how, done.customers) == ("touched", 2)
    assert profile(warehouse, "ben", MONDAY + timedelta(days=1))["top_category"] == "coffee"


def test_a_crash_before_the_last_commit_leaves_no_trace(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    buy(warehouse, "1", "ana", MONDAY)
    warehouse.refresh_profiles()
    buy(warehouse, "2", "ana", MONDAY)
    write = kept_tables.write_table

    def fall_over(*arguments: object, note: object = None, **named: object) -> int:
        if note is not None:
            raise OSError("no space left on device")
        return write(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(kept_tables, "write_table", fall_over)
    with pytest.raises(OSError, match="no space"):
        warehouse.refresh_profiles()
    monkeypatch.undo()
    warehouse.refresh_profiles()
    assert profile(warehouse, "ana", MONDAY + timedelta(days=1))["monetary"] == 20.0


@pytest.mark.slow
def test_joined_files_stay_joined_and_a_sweep_is_no_new_beginning(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_tables, "_FILES_KEPT", 3)
    monkeypatch.setattr(kept_tables, "_VERSIONS_A_SWEEP", 2)
    monkeypatch.setattr(DeltaTable, "vacuum", partialmethod(DeltaTable.vacuum, 0, enforce_retention_duration=False))
    how = []
    for number in range(8):
        buy(warehouse, str(number), "ana", MONDAY + timedelta(days=number))
        how.append(warehouse.refresh_profiles().how)
    assert how == ["everybody", *["touched"] * 7]
    facts = DeltaTable(warehouse.folder / kept_tables.FACTS)
    operations = [entry["operation"] for entry in facts.history()]
    assert "OPTIMIZE" in operations
    assert "VACUUM END" in operations
    assert "RESTORE" not in operations
    assert len(facts.file_uris()) <= 4
    assert profile(warehouse, "ana", MONDAY + timedelta(days=9))["monetary"] == 80.0


def test_another_time_zone_of_the_shop_measures_everybody(warehouse: Warehouse) -> None:
    buy(warehouse, "1", "ben", MONDAY)
    warehouse.refresh_profiles(timezone="UTC")
    assert warehouse.refresh_profiles(timezone="Asia/Kolkata").how == "everybody"


def test_offsets_change_where_the_clocks_do() -> None:
    found = list_offsets(["Europe/Berlin", "Asia/Kolkata"], datetime(2026, 6, 1, tzinfo=UTC))
    march = found.filter((pl.col("zone") == "Europe/Berlin") & (pl.col("month") == 2026 * 12 + 2))
    change = int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp())
    assert march.select("ends", "offset").rows() == [(change, 3_600), (march["ends"][1], 7_200)]
    assert set(found.filter(pl.col("zone") == "Asia/Kolkata")["offset"]) == {19_800}


def test_thresholds_must_rise() -> None:
    with pytest.raises(ValueError, match="`lost_after` must be longer than `at_risk_after`"):
        Lifecycle(at_risk_after=timedelta(days=30), lost_after=timedelta(days=30))


def test_customers_who_come_before_any_event_are_carried_on(warehouse: Warehouse) -> None:
    assert warehouse.refresh_profiles().how == "everybody"
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ["eve"], "timezone": ["UTC"]}))
    assert warehouse.refresh_profiles().how == "touched"
    assert profile(warehouse, "eve", MONDAY)["lifecycle"] == "never_bought"
