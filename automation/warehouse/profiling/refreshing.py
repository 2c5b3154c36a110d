"""Update the kept profiles to the warehouse: only customers whose data changed are measured again."""

# ruff: noqa: S608 (SQL can't take names as parameters: tables are ours, texts are quoted by `quote_text`)

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import ibis
import ibis.expr.types as ir
import polars as pl
from duckdb import DuckDBPyConnection

from automation.types.schema import TABLES, TableName
from automation.warehouse.profiling import kept_tables
from automation.warehouse.profiling.cut_points import compute_cut_points
from automation.warehouse.profiling.kept_tables import FACTS, PRODUCTS, PROFILES, RECENT, ProfileBuild
from automation.warehouse.profiling.measures import MeasureInputs, compute_measures
from automation.warehouse.profiling.new_files import find_new_files
from automation.warehouse.profiling.numbering import (
    PreviousBuild,
    ShopTables,
    create_view,
    drop_tables,
    number_ids,
    select_removed_count,
)
from automation.warehouse.profiling.offsets import list_offsets
from automation.warehouse.tables import TableVersion, quote_text, select_files

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

_MANY = 550_000  # customers whose measuring needs more memory than the usual limit
_BYTES_PER_CUSTOMER = 700  # for a customer with 20 events
_MERGE_RATIO = 8  # recent rows stay in their own table while all profiles are at least this many times more
_MEASURED = "SELECT * FROM profiling_people JOIN profiling_measured USING (customer)"
_RECENT = "SELECT * FROM profiling_recent"
_COUNTED = "SELECT count(*) FROM profiling_people"
_ARRIVED = "SELECT * FROM profiling_arrived"
_PRODUCTS = "SELECT product, product_id, category, brand FROM profiling_catalogue"


@dataclass(frozen=True)
class RefreshResult:
    """Whether a refresh measured nobody, the touched customers or everybody, and how many customers these were."""

    how: Literal["nothing", "touched", "everybody"]
    customers: int


@dataclass(frozen=True)
class WarehouseState:
    """A warehouse folder's connection and current versions, and the time zone of customers without one."""

    connection: Backend
    folder: Path
    versions: Mapping[TableName, TableVersion]
    timezone: str

    def table(self, version: TableVersion) -> ir.Table:
        return create_view(self.connection, f"profiling_{version.name}", select_files(version))

    def number(self, name: TableName) -> int:
        return self.versions[name].number


def refresh_kept_profiles(state: WarehouseState, *, everybody: bool = False) -> RefreshResult:
    """Update the kept profiles to the current versions; `everybody` measures all customers."""
    with _lock_for_refresh(state.folder):
        build = kept_tables.read_build(state.folder)
        if build is not None and not everybody and is_current(build, state):
            return RefreshResult("nothing", 0)
        try:
            touched = None if build is None or everybody else _refresh_touched(state, build)
            done = touched or _refresh_everybody(state)
        finally:
            drop_tables(state.connection)
        kept_tables.compact_tables(state.folder)
        return done


def is_current(build: ProfileBuild, state: WarehouseState) -> bool:
    """Whether the kept profiles were built from the current versions."""
    same = all(build.versions[name] == version.number for name, version in state.versions.items())
    return same and build.timezone == state.timezone


def _refresh_everybody(state: WarehouseState) -> RefreshResult:
    shop = _shop(state, state.versions["events"])
    number_ids(state.connection, shop, None)
    facts = kept_tables.write_table(_rows(state, _ARRIVED), state.folder, FACTS, overwrite=True)
    products = kept_tables.write_table(_rows(state, _PRODUCTS), state.folder, PRODUCTS, overwrite=True)
    _measure(state, kept_tables.select_kept(state.folder, FACTS))
    profiles = kept_tables.write_table(_rows(state, _MEASURED), state.folder, PROFILES, overwrite=True)
    state.connection.raw_sql(f"CREATE TABLE profiling_recent AS {_MEASURED} LIMIT 0")
    _write(state, shop, {PROFILES: profiles, FACTS: facts, PRODUCTS: products}, _MEASURED)
    return RefreshResult("everybody", _one(state, _COUNTED))


def _refresh_touched(state: WarehouseState, build: ProfileBuild) -> RefreshResult | None:
    """None if the kept tables can't be updated and must be rebuilt."""
    folder, sql = state.folder, state.connection.raw_sql
    files = find_new_files(folder / "events", build.versions["events"], state.number("events"))
    if files is None or build.timezone != state.timezone:
        return None
    for name in (PROFILES, FACTS, PRODUCTS):
        kept_tables.undo_commits(folder, name, build.versions[name])
    profiles = kept_tables.select_profiles(folder, build)
    changed = build.versions["customers"] != state.number("customers")
    before = PreviousBuild(
        profiles, kept_tables.select_kept(folder, FACTS), kept_tables.select_kept(folder, PRODUCTS), changed
    )
    shop = _shop(state, replace(state.versions["events"], files=tuple(files)))
    if changed and _one(state, select_removed_count(shop, before)):
        return None
    number_ids(state.connection, shop, before)
    facts = kept_tables.write_table(_rows(state, _ARRIVED), folder, FACTS, overwrite=False)
    products = kept_tables.write_table(_rows(state, _PRODUCTS), folder, PRODUCTS, overwrite=True)
    everything = kept_tables.select_kept(folder, FACTS)
    sql(f"CREATE TABLE profiling_touched AS FROM ({everything}) SEMI JOIN profiling_people USING (customer)")
    _measure(state, "SELECT * FROM profiling_touched")
    whole = _merge_recent(state, build)
    versions = {PROFILES: kept_tables.version_of(folder, PROFILES), FACTS: facts, PRODUCTS: products}
    _write(state, shop, versions, kept_tables.select_replaced(whole, _RECENT), latest=build.latest)
    return RefreshResult("touched", _one(state, _COUNTED))


def _merge_recent(state: WarehouseState, build: ProfileBuild) -> str:
    """Create the table `profiling_recent` of customers measured now or recently; returns SQL for all other profiles.

    If they are many, they are merged into `profiles`, and the table is empty.
    """
    sql, folder = state.connection.raw_sql, state.folder
    whole, recent = kept_tables.select_kept(folder, PROFILES), kept_tables.select_recent(folder, build)
    sql(f"CREATE TABLE profiling_recent AS {kept_tables.select_replaced(recent, _MEASURED) if recent else _MEASURED}")
    if _one(state, f"SELECT count(*) FROM ({whole})") >= _MERGE_RATIO * _one(
        state, f"SELECT count(*) FROM ({_RECENT})"
    ):
        return whole
    kept_tables.write_table(_rows(state, kept_tables.select_replaced(whole, _RECENT)), folder, PROFILES, overwrite=True)
    sql("DELETE FROM profiling_recent")
    return kept_tables.select_kept(folder, PROFILES)


def _shop(state: WarehouseState, events: TableVersion) -> ShopTables:
    customers, products = (state.table(state.versions[name]) for name in ("customers", "products"))
    return ShopTables(customers, products, state.table(events), state.timezone)


def _measure(state: WarehouseState, facts: str) -> None:
    """Create the table `profiling_measured` for all of `profiling_people`."""
    connection = state.connection
    zones = sorted(row[0] for row in connection.raw_sql("SELECT DISTINCT zone FROM profiling_people").fetchall())
    until = datetime.fromtimestamp(_one(state, f'SELECT epoch(max("at")) FROM ({facts})'), UTC)
    hours = list_offsets(zones, until).with_columns(
        pl.col("zone").replace_strict(zones, range(len(zones))).cast(pl.Int64)
    )
    connection.create_table("profiling_offsets", hours.to_arrow())
    listed = f"[{', '.join(map(quote_text, zones))}]::VARCHAR[]"
    sources = MeasureInputs(
        facts=create_view(connection, "profiling_facts", facts),
        people=create_view(
            connection,
            "profiling_zoned",
            f"SELECT customer, list_position({listed}, zone) - 1 AS zone FROM profiling_people",
        ),
        products=connection.table("profiling_catalogue"),
        offsets=connection.table("profiling_offsets"),
    )
    people = _one(state, _COUNTED)
    found = compute_measures(sources).drop("zone")
    # DuckDB's sums of integers have 128 bits; Ibis expects 64.
    typed = ", ".join(f"{name}::BIGINT AS {name}" if kind.is_int64() else name for name, kind in found.schema().items())
    with _raise_memory_limit(connection, people):
        connection.raw_sql(
            f"CREATE TABLE profiling_measured AS SELECT {typed} FROM ({ibis.to_sql(found, dialect='duckdb')})"
        )


@contextmanager
def _raise_memory_limit(connection: Backend, people: int) -> Iterator[None]:
    """Raise the memory limit while many customers are measured: DuckDB can't spill everything that it needs."""
    if people < _MANY:
        yield
        return
    ((usual,),) = connection.raw_sql("SELECT current_setting('memory_limit')").fetchall()
    connection.raw_sql(f"SET memory_limit = '{people * _BYTES_PER_CUSTOMER // 10**6}MB'")
    try:
        yield
    finally:
        connection.raw_sql(f"SET memory_limit = '{usual}'")


def _write(state: WarehouseState, shop: ShopTables, made: Mapping[str, int], rows: str, *, latest: int = 0) -> None:
    """Commit the recent profiles, with the build that all `rows` come from."""
    found = compute_cut_points(create_view(state.connection, "profiling_next", rows)).to_polars().row(0, named=True)
    newest = [
        _one(state, f"SELECT epoch_us(max({column})) FROM ({source})")
        for column, source in (
            ('"at"', "FROM profiling_raw"),
            ("created_at", ibis.to_sql(shop.customers, dialect="duckdb")),
            ("created_at", ibis.to_sql(shop.products, dialect="duckdb")),
        )
    ]
    versions: dict[str, int] = {name: state.number(name) for name in TABLES}
    note = ProfileBuild({**versions, **made}, state.timezone, max(latest, *newest), found)
    kept_tables.write_table(_rows(state, _RECENT), state.folder, RECENT, overwrite=True, note=note)


def _rows(state: WarehouseState, query: str) -> DuckDBPyConnection:
    found: DuckDBPyConnection = state.connection.raw_sql(query)
    return found


def _one(state: WarehouseState, query: str) -> int:
    row = state.connection.raw_sql(query).fetchone()
    return int(row[0] or 0)


@contextmanager
def _lock_for_refresh(folder: Path) -> Iterator[None]:
    """Allow one refresh at a time over all processes; writers of events don't wait for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".profiles.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
