"""Events in several parts: written on a thread of their own, each id once, and one commit or none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from automation.errors import ContractError
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.tables import table_version
from automation.warehouse.writing import Change

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    monkeypatch.setattr("automation.warehouse.importing.staging._PART_ROWS", 4)
    made = open_warehouse(tmp_path / "warehouse", threads=1)
    yield made
    made.close()


def events(ids: str, customer: str = "c1", **more: object) -> pl.DataFrame:
    """One event for each letter, later ones first."""
    return pl.DataFrame(
        {
            "event_id": list(ids),
            "customer_id": [customer] * len(ids),
            "type": [("view", "purchase")[number % 2] for number in range(len(ids))],
            "occurred_at": [START - timedelta(days=number) for number in range(len(ids))],
        },
        schema_overrides={"occurred_at": pl.Datetime("us", "UTC")},
    ).with_columns(pl.lit(value).alias(name) for name, value in more.items())


def held(warehouse: Warehouse, *columns: str) -> list[tuple[object, ...]]:
    return sorted(warehouse.table("events").select("event_id", *columns).to_polars().rows())


def test_of_an_id_the_first_stays_whichever_part_it_is_in(warehouse: Warehouse) -> None:
    frames = [events("abcd", "first"), events("efaa", "second"), events("gb", "third"), events("gh", "fourth")]
    assert warehouse.append_events(frames) == Change(added=8, duplicates=4)
    assert held(warehouse, "customer_id") == [
        ("a", "first"), ("b", "first"), ("c", "first"), ("d", "first"), ("e", "second"), ("f", "second"),
        ("g", "third"), ("h", "fourth"),
    ]  # fmt: skip
    assert warehouse.version().endswith("events=0")
    assert list((warehouse.folder / ".spool").iterdir()) == []


def test_a_part_is_a_file_of_the_table_sorted_by_type_and_time(warehouse: Warehouse) -> None:
    warehouse.append_events([events("abcd"), events("efgh")])
    version = table_version(warehouse.folder, "events")
    assert version.newest == START + timedelta(milliseconds=1), "the log knows the latest, cut to the millisecond"
    assert len(version.files) == 2
    for file in version.files:
        frame = pl.read_parquet(file)
        assert frame.equals(frame.sort("type", "occurred_at"))
        assert set(frame.columns) == set(warehouse.table("events").columns)


def test_what_the_table_has_already_is_left_out_of_every_part(warehouse: Warehouse) -> None:
    warehouse.append_events(events("aceg", "old"))
    again = [events("abcd", "new"), events("efgh", "new"), events("ii", "new")]
    assert warehouse.append_events(again, ("inbox", 3)) == Change(added=5, duplicates=5)
    assert held(warehouse, "customer_id") == [(one, "old" if one in "aceg" else "new") for one in "abcdefghi"]
    assert warehouse.append_events(again, ("inbox", 4)) == Change(duplicates=10)
    assert warehouse.last_transaction("inbox") == 4, "a flush that brings nothing is remembered too"


def test_a_column_that_comes_later_is_empty_before_and_one_that_goes_is_empty_after(warehouse: Warehouse) -> None:
    warehouse.append_events(events("ab"))
    warehouse.append_events([events("cd", shop="Ulm"), events("ef", shop="Ulm")])
    assert warehouse.append_events(events("gh")) == Change(added=2)
    assert held(warehouse, "shop") == [
        ("a", None), ("b", None), ("c", "Ulm"), ("d", "Ulm"), ("e", "Ulm"), ("f", "Ulm"), ("g", None), ("h", None),
    ]  # fmt: skip


def test_a_column_that_appears_while_events_are_staged(warehouse: Warehouse) -> None:
    """Parts were written with the columns of their time; each file of the table has them all."""
    with warehouse.staging("events") as staged:
        staged.add(events("abcd"))
        staged.add(events("ef"))
        warehouse.append_events(events("xy", shop="Ulm"))
        assert warehouse.commit(staged) == Change(added=6)
    assert held(warehouse, "shop")[:2] == [("a", None), ("b", None)]
    for file in table_version(warehouse.folder, "events").files:
        assert "shop" in pl.read_parquet_schema(file)


def test_a_part_that_can_not_be_written_ends_the_import(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OSError, match="no space left"):
        warehouse.append_events(events("abcd") for _ in range(3))
    monkeypatch.undo()
    assert held(warehouse) == []
    assert list((warehouse.folder / ".spool").iterdir()) == [], "nothing is left behind"


def test_a_crash_before_the_commit_leaves_files_that_nobody_reads(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall_over(*_: object, **__: object) -> None:
        raise OSError("killed")

    warehouse.append_events(events("ab"))
    monkeypatch.setattr(DeltaTable, "create_write_transaction", fall_over)
    with pytest.raises(OSError, match="killed"):
        warehouse.append_events(events("cdefg"), ("inbox", 1))
    monkeypatch.undo()
    assert [one for (one,) in held(warehouse)] == ["a", "b"]
    assert not warehouse.has_transaction("inbox", 1)
    assert warehouse.append_events(events("cdefg"), ("inbox", 1)) == Change(added=5)
    assert [one for (one,) in held(warehouse)] == list("abcdefg")


def test_frames_must_have_the_same_columns(warehouse: Warehouse) -> None:
    with pytest.raises(ContractError, match="a frame has other columns than the one before it"):
        warehouse.append_events([events("abcd"), events("efgh", shop="Ulm")])
    assert not (warehouse.folder / "events").exists()
