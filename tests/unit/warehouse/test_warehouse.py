"""The tables: what is added, updated, left alone and seen as of an instant."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from automation.contracts.columns import POLARS_TYPES
from automation.errors import AutomationError, ConfigurationError, ContractError
from automation.types.schema import CUSTOMERS, EVENTS, PRODUCTS
from automation.types.seen import SeenTrait
from automation.warehouse.embedded import Warehouse, open_warehouse
from automation.warehouse.history import read_history
from automation.warehouse.tables import table_version
from automation.warehouse.writing import Change, lock_for_writing


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    warehouse = open_warehouse(tmp_path / "warehouse")
    yield warehouse
    warehouse.close()


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2024, 1, number, hour, tzinfo=UTC)


def events(*rows: tuple[str, str, datetime, float | None], kind: str = "purchase") -> pl.DataFrame:
    return pl.DataFrame(
        [(event, customer, kind, at, "p1", amount) for event, customer, at, amount in rows],
        schema={
            "event_id": pl.String,
            "customer_id": pl.String,
            "type": pl.String,
            "occurred_at": pl.Datetime("us", "UTC"),
            "product_id": pl.String,
            "amount": pl.Float64,
        },
        orient="row",
    )


def test_an_empty_warehouse_has_typed_tables_and_writes_nothing(warehouse: Warehouse) -> None:
    snapshot = warehouse.snapshot(day(1))
    for declared, table in ((CUSTOMERS, snapshot.customers), (PRODUCTS, snapshot.products), (EVENTS, snapshot.events)):
        frame = table.to_polars()
        assert frame.height == 0
        assert dict(frame.schema) == {name: POLARS_TYPES[kind] for name, kind in declared.columns.items()}
    assert snapshot.profiles.to_polars().height == 0
    assert snapshot.decisions.to_polars().columns == [
        "customer_id", "campaign", "run_id", "outcome", "decided_at", "variant", "message_id",
    ]  # fmt: skip
    assert warehouse.version() == snapshot.version == "customers=-1 products=-1 events=-1"
    assert not warehouse.folder.exists()


def test_a_snapshot_ends_strictly_before_its_instant(warehouse: Warehouse) -> None:
    warehouse.append_events(events(("a", "c1", day(2), 1.0), ("b", "c1", day(3), 2.0)))
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ["c1", "c2"], "created_at": [None, day(3)]}))
    snapshot = warehouse.snapshot(day(3))
    assert snapshot.events.event_id.to_polars().to_list() == ["a"]
    assert snapshot.customers.customer_id.to_polars().to_list() == ["c1"]
    assert snapshot.as_of == day(3)
    after = warehouse.snapshot(day(3) + timedelta(microseconds=1))
    assert after.events.count().to_polars() == 2
    assert after.customers.count().to_polars() == 2


@pytest.mark.parametrize(("later", "count"), [(0, 0), (1, 1), (500, 1), (999, 1), (1_000, 1), (1_001, 1)])
def test_a_snapshot_is_cut_to_the_microsecond(warehouse: Warehouse, later: int, count: int) -> None:
    at = day(2) + timedelta(microseconds=400)  # the log's statistics say day(2)
    warehouse.append_events(events(("a", "c1", at, 1.0)))
    assert warehouse.snapshot(at + timedelta(microseconds=later)).events.count().to_polars() == count


def test_customers_of_an_unknown_day_were_always_there(warehouse: Warehouse) -> None:
    people = pl.DataFrame({"customer_id": ["c1", "c2"], "created_at": [None, day(5)]})
    warehouse.upsert("customers", people[:1])
    assert warehouse.snapshot(day(1)).customers.count().to_polars() == 1
    warehouse.upsert("customers", people)
    counts = [warehouse.snapshot(day(number)).customers.count().to_polars() for number in (5, 6)]
    assert counts == [1, 2]


def test_a_snapshot_stays_as_it_was(warehouse: Warehouse) -> None:
    warehouse.append_events(events(("a", "c1", day(2), 1.0)))
    before = warehouse.snapshot(day(9))
    warehouse.append_events(events(("b", "c1", day(3), 1.0)))
    assert before.events.count().to_polars() == 1
    assert warehouse.snapshot(day(9)).events.count().to_polars() == 2
    assert before.version == "customers=-1 products=-1 events=0"
    assert warehouse.version() == "customers=-1 products=-1 events=1"


def test_an_event_is_appended_once(warehouse: Warehouse) -> None:
    first = events(("a", "c1", day(2), 1.0), ("b", "c1", day(3), 2.0))
    assert warehouse.append_events(first) == Change(added=2)
    again = events(("b", "c1", day(3), 2.0), ("c", "c2", day(4), 3.0), ("c", "c2", day(4), 3.0))
    assert warehouse.append_events(again) == Change(added=1, duplicates=2)
    assert warehouse.version().endswith("events=1")
    assert warehouse.append_events(again) == Change(duplicates=3)
    assert warehouse.version().endswith("events=1"), "nothing new, nothing written"
    assert sorted(warehouse.table("events").event_id.to_polars()) == ["a", "b", "c"]


def test_events_in_several_frames_are_one_commit(warehouse: Warehouse) -> None:
    frames = (events((f"e{number}", "c1", day(2), 1.0)) for number in range(5))
    assert warehouse.append_events(frames) == Change(added=5)
    assert warehouse.version().endswith("events=0")


def test_a_transaction_is_looked_up_before_it_is_repeated(warehouse: Warehouse) -> None:
    assert not warehouse.has_transaction("inbox", 0)
    assert warehouse.append_events(events(("a", "c1", day(2), 1.0)), ("inbox", 0)) == Change(added=1)
    assert warehouse.has_transaction("inbox", 0)
    assert not warehouse.has_transaction("inbox", 1)
    assert not warehouse.has_transaction("other", 0)
    assert warehouse.append_events(events(("b", "c1", day(2), 1.0)), ("inbox", 0)) == Change(duplicates=1)
    assert warehouse.append_events(events(), ("inbox", 7)) == Change(), "a flush of nothing is remembered too"
    assert warehouse.last_transaction("inbox") == 7
    assert warehouse.table("events").count().to_polars() == 1


def test_upsert_counts_and_keeps_what_it_was_not_given(warehouse: Warehouse) -> None:
    first = pl.DataFrame({"customer_id": ["c1", "c2", "c1"], "email": ["old@x.example", None, "new@x.example"]})
    assert warehouse.upsert("customers", first) == Change(added=2, duplicates=1)
    assert warehouse.upsert("customers", first) == Change(unchanged=2, duplicates=1)
    assert warehouse.version() == "customers=0 products=-1 events=-1", "unchanged rows are not rewritten"
    more = pl.DataFrame({"customer_id": ["c2", "c3"], "city": ["Ulm", None]})
    assert warehouse.upsert("customers", more) == Change(added=1, updated=1)
    assert sorted(warehouse.table("customers").select("customer_id", "email", "city").to_polars().rows()) == [
        ("c1", "new@x.example", None),
        ("c2", None, "Ulm"),
        ("c3", None, None),
    ]
    emptied = pl.DataFrame(
        {"customer_id": ["c1"], "email": [None]}, schema={"customer_id": pl.String, "email": pl.String}
    )
    assert warehouse.upsert("customers", emptied) == Change(updated=1)
    assert warehouse.table("customers").email.count().to_polars() == 0


def test_traits_are_typed_columns_that_appear_when_first_imported(warehouse: Warehouse) -> None:
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ["c1"]}))
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ["c2"], "points": [3], "vip": [True], "tier": ["gold"]}))
    frame = warehouse.table("customers").to_polars().sort("customer_id")
    assert frame.select("points", "vip", "tier").rows() == [(None, None, None), (3, True, "gold")]
    assert frame.schema["points"] == pl.Int64
    with pytest.raises(AutomationError) as caught:
        warehouse.upsert("customers", pl.DataFrame({"customer_id": ["c3"], "points": ["many"]}))
    assert str(caught.value) == (
        "customers: column 'points' has the type integer in the warehouse and text in the new data; "
        "give it the type integer in the mapping, or import it under another name"
    )
    assert warehouse.table("customers").count().to_polars() == 2


def test_event_attributes_are_typed_columns_too(warehouse: Warehouse) -> None:
    warehouse.append_events(events(("a", "c1", day(2), 1.0)))
    warehouse.append_events(events(("b", "c1", day(2), 1.0)).with_columns(source=pl.lit("app")))
    assert sorted(warehouse.table("events").select("event_id", "source").to_polars().rows()) == [
        ("a", None),
        ("b", "app"),
    ]


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (pl.DataFrame({"email": ["a@x.example"]}), "customers: the column 'customer_id' is missing"),
        (pl.DataFrame({"customer_id": ["c1", None]}), "customers: 1 row without 'customer_id'"),
        (
            pl.DataFrame({"customer_id": ["c1"], "birthday": ["1990-01-01"]}),
            "customers: column 'birthday' has the type String, expected Date",
        ),
        (
            pl.DataFrame({"customer_id": ["c1"], "tags": [["a"]]}),
            r"customers: column 'tags' has the type List\(String\), expected text, number, boolean, date or UTC time",
        ),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_whole(warehouse: Warehouse, frame: pl.DataFrame, complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        warehouse.upsert("customers", frame)
    assert not (warehouse.folder / "customers").exists()
    assert list((warehouse.folder / ".spool").iterdir()) == [], "nothing is left behind"


def test_a_folder_with_blanks_and_signs(tmp_path: Path) -> None:
    warehouse = open_warehouse(tmp_path / "our shop (50% ü)" / "a=b*?")
    warehouse.append_events(events(("a", "c1", day(2), 1.0)))
    assert warehouse.table("events").to_polars()["event_id"].to_list() == ["a"]
    assert "a" not in warehouse.table("events").columns
    warehouse.close()


@pytest.mark.parametrize("name", ["a[1]", "a^", "a|b", "a%20b"])
def test_a_folder_that_delta_can_not_use_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="a folder of Delta tables can't have"):
        open_warehouse(tmp_path / name)


def test_a_column_that_a_release_adds_reads_as_null(warehouse: Warehouse) -> None:
    """Files written before `message_id` was declared must stay readable."""
    from deltalake import write_deltalake

    write_deltalake(warehouse.folder / "events", events(("a", "c1", day(2), 1.0)))
    assert table_version(warehouse.folder, "events").stored == set(events().columns)
    assert warehouse.table("events").select("event_id", "message_id").to_polars().rows() == [("a", None)]
    assert warehouse.append_events(events(("b", "c1", day(2), 1.0))) == Change(added=1)
    assert warehouse.table("events").message_id.isnull().sum().to_polars() == 2


def test_history_is_theirs_only_and_in_order(warehouse: Warehouse) -> None:
    warehouse.append_events(events(("b", "c2", day(3), 2.0), ("a", "c2", day(2), 1.0), ("c", "c1", day(2), 1.0)))
    search = events(("s", "c2", day(2), None), kind="search").with_columns(product_id=pl.lit(None, pl.String))
    warehouse.append_events(search)
    frame = read_history(warehouse.snapshot(day(9)), pl.Series(["c2", "c9"]))
    assert frame.columns == ["customer_id", "product_id", "type", "occurred_at", "amount"]
    assert frame["occurred_at"].to_list() == [day(2), day(3)]
    snapshot = warehouse.snapshot(day(9))
    assert read_history(snapshot, snapshot.profiles.filter(snapshot.profiles.frequency > 1)).equals(frame)


def test_small_files_are_joined_and_nothing_is_lost(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.warehouse.writing._FILES_KEPT", 4)
    monkeypatch.setattr("automation.warehouse.writing._VERSIONS_A_SWEEP", 3)
    warehouse.append_events(events(("e0", "c1", day(2), 1.0)), ("inbox", 0))
    before = warehouse.snapshot(day(9))
    most = 0
    for number in range(1, 12):
        warehouse.append_events(events((f"e{number}", "c1", day(2), 1.0)), ("inbox", number))
        most = max(most, len(table_version(warehouse.folder, "events").files))
    assert most <= 5
    assert warehouse.last_transaction("inbox") == 11
    assert sorted(warehouse.table("events").event_id.to_polars()) == sorted(f"e{number}" for number in range(12))
    assert before.events.event_id.to_polars().to_list() == ["e0"], "an older snapshot can still be read"


def test_what_was_ever_seen(warehouse: Warehouse) -> None:
    assert warehouse.read_seen().event_types == frozenset()
    warehouse.append_events(events(("a", "c1", day(2), 1.0)))
    warehouse.append_events(events(("b", "c1", day(2), 1.0), kind="view"))
    ids = [f"c{number}" for number in range(200)]
    tiers = ["gold", "silver", None, "gold"] * 50
    cities, codes = ["Ulm", "Kiel"] * 100, ["89073", "24103"] * 100
    frame = pl.DataFrame({"customer_id": ids, "tier": tiers, "vip": [True, None] * 100, "points": range(200)})
    frame = frame.with_columns(city=pl.Series(cities), postcode=pl.Series(codes))
    warehouse.upsert("customers", frame)
    seen = warehouse.read_seen()
    assert seen.event_types == {"purchase", "view"}
    assert seen.traits["tier"] == SeenTrait("text", frozenset({"gold", "silver"}))
    assert seen.traits["vip"] == SeenTrait("boolean", frozenset({True}))
    assert seen.traits["points"] == SeenTrait("integer", None), "too many values to list"
    assert seen.traits["customer_id"].values is None
    assert seen.traits["birthday"] == SeenTrait("date", None)
    assert seen.traits["city"] == SeenTrait("text", frozenset({"Ulm", "Kiel"}))
    assert seen.traits["postcode"] == SeenTrait("text", None), "never listed: every customer can have a new one"
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ids, "city": [f"Town {n}" for n in range(200)]}))
    assert len(warehouse.read_seen().traits["city"].values or ()) == 200
    warehouse.upsert("customers", pl.DataFrame({"customer_id": ["c200"], "city": ["One more"]}))
    assert warehouse.read_seen().traits["city"] == SeenTrait("text", None), "more than 200"


def _append_while_told(folder: Path, first: int, count: int) -> None:
    warehouse = open_warehouse(folder)
    for number in range(first, first + count):
        warehouse.append_events(events((f"e{number}", "c1", day(2), 1.0)))
    warehouse.close()


@pytest.mark.slow
def test_two_processes_write_while_a_third_reads(warehouse: Warehouse) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_append_while_told, args=(warehouse.folder, first, 8)) for first in (0, 4)]
    for writer in writers:
        writer.start()
    seen = []
    while any(writer.is_alive() for writer in writers):
        seen.append(warehouse.table("events").count().to_polars())
        writers[0].join(0.02)
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    assert seen == sorted(seen), "a reader never sees less than before"
    ids = warehouse.table("events").event_id.to_polars()
    assert sorted(ids) == sorted(f"e{number}" for number in range(12)), "ids 4 to 7 came from both, once each"


def test_a_writer_waits_for_the_lock_and_a_reader_does_not(warehouse: Warehouse) -> None:
    warehouse.append_events(events(("a", "c1", day(2), 1.0)))
    with lock_for_writing(warehouse.folder):
        assert warehouse.snapshot(day(9)).events.count().to_polars() == 1


def test_views_of_old_versions_do_not_pile_up(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.warehouse.embedded._VIEWS_KEPT", 3)
    for number in range(6):
        warehouse.append_events(events((f"e{number}", "c1", day(2), 1.0)))
        warehouse.snapshot(day(9))
    views = warehouse.cursor().execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1").fetchall()
    assert [name for (name,) in views if name.startswith("events_")] == ["events_3", "events_4", "events_5"]


@pytest.mark.slow
def test_views_of_old_snapshots_do_not_pile_up(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automation.warehouse.embedded._VIEWS_KEPT", 3)
    warehouse.append_events(events(("e0", "c1", day(2), 1.0), ("e1", "c1", day(20), 1.0)))
    first = warehouse.snapshot(day(4))
    for number in range(5, 15):
        warehouse.snapshot(day(number))
        warehouse.snapshot(day(4))  # one that is still used is kept
    assert first.events.count().to_polars() == 1
    views = warehouse.cursor().execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    assert sum(name.startswith("seen_") for (name,) in views) <= 3 * 4
