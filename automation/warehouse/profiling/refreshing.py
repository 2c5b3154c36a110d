"""Bringing the kept profiles up to the warehouse: only whom something touched is measured again."""

# ruff: noqa: S608 (SQL can't take names as parameters: tables are ours, texts are quoted by `text`)

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import ibis
import ibis.expr.types as ir
import polars as pl
from duckdb import DuckDBPyConnection
from ibis.backends.duckdb import Backend

from automation.types.schema import TABLES, TableName
from automation.warehouse.profiling import kept
from automation.warehouse.profiling.arrivals import arrived
from automation.warehouse.profiling.cuts import cuts
from automation.warehouse.profiling.kept import FACTS, LATELY, PROFILES, SHELF, Built
from automation.warehouse.profiling.measures import Sources, measures
from automation.warehouse.profiling.numbering import Before, Shop, drop, gone, number, view
from automation.warehouse.profiling.offsets import offsets
from automation.warehouse.tables import TableVersion, select_files, text

_MANY = 550_000
_A_PERSON = 700
"""Bytes that measuring a person of 20 events may take where there are many."""
_FEW = 8  # times that the whole is larger than what is kept beside it
_MEASURED = "SELECT * FROM profiling_people JOIN profiling_measured USING (customer)"
_LATELY = "SELECT * FROM profiling_lately"
_COUNTED = "SELECT count(*) FROM profiling_people"
_ARRIVED = "SELECT * FROM profiling_arrived"
_SHELVED = "SELECT product, product_id, category, brand FROM profiling_shelf"


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did: nothing, the touched customers only, or everybody; and how many were measured."""

    how: Literal["nothing", "touched", "everybody"]
    customers: int


@dataclass(frozen=True)
class Standing:
    """A warehouse folder as it stands: its connection, its tables' versions, and the zone of customers without one."""

    connection: Backend
    folder: Path
    versions: Mapping[TableName, TableVersion]
    timezone: str

    def table(self, version: TableVersion) -> ir.Table:
        return view(self.connection, f"profiling_{version.name}", select_files(version))

    def number(self, name: TableName) -> int:
        return self.versions[name].number


def refresh(standing: Standing, *, anew: bool = False) -> Refreshed:
    """Make the kept profiles those of the warehouse as it stands; `anew` measures everybody."""
    with _refreshing(standing.folder):
        built = kept.built(standing.folder)
        if built is not None and not anew and usable(built, standing):
            return Refreshed("nothing", 0)
        try:
            touched = None if built is None or anew else _refresh_touched(standing, built)
            done = touched or _refresh_everybody(standing)
        finally:
            drop(standing.connection)
        kept.tidy(standing.folder)
        return done


def usable(built: Built, standing: Standing) -> bool:
    """Whether the kept profiles are of the warehouse as it stands."""
    same = all(built.versions[name] == version.number for name, version in standing.versions.items())
    return same and built.timezone == standing.timezone


def _refresh_everybody(standing: Standing) -> Refreshed:
    shop = _shop(standing, standing.versions["events"])
    number(standing.connection, shop, None)
    facts = kept.write(_rows(standing, _ARRIVED), standing.folder, FACTS, anew=True)
    shelf = kept.write(_rows(standing, _SHELVED), standing.folder, SHELF, anew=True)
    _measure(standing, kept.select_kept(standing.folder, FACTS))
    profiles = kept.write(_rows(standing, _MEASURED), standing.folder, PROFILES, anew=True)
    standing.connection.raw_sql(f"CREATE TABLE profiling_lately AS {_MEASURED} LIMIT 0")
    _write(standing, shop, {PROFILES: profiles, FACTS: facts, SHELF: shelf}, _MEASURED)
    return Refreshed("everybody", _one(standing, _COUNTED))


def _refresh_touched(standing: Standing, built: Built) -> Refreshed | None:
    """None where the kept tables can't be carried on from."""
    folder, sql = standing.folder, standing.connection.raw_sql
    files = arrived(folder / "events", built.versions["events"], standing.number("events"))
    if files is None or built.timezone != standing.timezone:
        return None
    for name in (PROFILES, FACTS, SHELF):
        kept.forget_after(folder, name, built.versions[name])
    profiles = kept.select_profiles(folder, built)
    changed = built.versions["customers"] != standing.number("customers")
    before = Before(profiles, kept.select_kept(folder, FACTS), kept.select_kept(folder, SHELF), changed)
    shop = _shop(standing, replace(standing.versions["events"], files=tuple(files)))
    if changed and _one(standing, gone(shop, before)):
        return None
    number(standing.connection, shop, before)
    facts = kept.write(_rows(standing, _ARRIVED), folder, FACTS, anew=False)
    shelf = kept.write(_rows(standing, _SHELVED), folder, SHELF, anew=True)
    everything = kept.select_kept(folder, FACTS)
    sql(f"CREATE TABLE profiling_touched AS FROM ({everything}) SEMI JOIN profiling_people USING (customer)")
    _measure(standing, "SELECT * FROM profiling_touched")
    whole = _put_in_place(standing, built)
    versions = {PROFILES: kept.version_of(folder, PROFILES), FACTS: facts, SHELF: shelf}
    _write(standing, shop, versions, kept.replaced(whole, _LATELY), latest=built.latest)
    return Refreshed("touched", _one(standing, _COUNTED))


def _put_in_place(standing: Standing, built: Built) -> str:
    """Make the table `profiling_lately` of the measured and whom earlier refreshes measured; SQL of all others.

    Where they are many, they become part of the whole.
    """
    sql, folder = standing.connection.raw_sql, standing.folder
    whole, lately = kept.select_kept(folder, PROFILES), kept.select_lately(folder, built)
    sql(f"CREATE TABLE profiling_lately AS {kept.replaced(lately, _MEASURED) if lately else _MEASURED}")
    if _one(standing, f"SELECT count(*) FROM ({whole})") >= _FEW * _one(standing, f"SELECT count(*) FROM ({_LATELY})"):
        return whole
    kept.write(_rows(standing, kept.replaced(whole, _LATELY)), folder, PROFILES, anew=True)
    sql("DELETE FROM profiling_lately")
    return kept.select_kept(folder, PROFILES)


def _shop(standing: Standing, events: TableVersion) -> Shop:
    customers, products = (standing.table(standing.versions[name]) for name in ("customers", "products"))
    return Shop(customers, products, standing.table(events), standing.timezone)


def _measure(standing: Standing, facts: str) -> None:
    """Make the table `profiling_measured` of all in `profiling_people`."""
    connection = standing.connection
    zones = sorted(row[0] for row in connection.raw_sql("SELECT DISTINCT zone FROM profiling_people").fetchall())
    until = datetime.fromtimestamp(_one(standing, f'SELECT epoch(max("at")) FROM ({facts})'), UTC)
    hours = offsets(zones, until).with_columns(pl.col("zone").replace_strict(zones, range(len(zones))).cast(pl.Int64))
    connection.create_table("profiling_offsets", hours.to_arrow())
    listed = f"[{', '.join(map(text, zones))}]::VARCHAR[]"
    sources = Sources(
        facts=view(connection, "profiling_facts", facts),
        people=view(
            connection,
            "profiling_zoned",
            f"SELECT customer, list_position({listed}, zone) - 1 AS zone FROM profiling_people",
        ),
        shelf=connection.table("profiling_shelf"),
        offsets=connection.table("profiling_offsets"),
    )
    people = _one(standing, _COUNTED)
    found = measures(sources).drop("zone")
    # DuckDB adds integers up to 128 bits, which Ibis takes for 64.
    typed = ", ".join(f"{name}::BIGINT AS {name}" if kind.is_int64() else name for name, kind in found.schema().items())
    with _room_for(connection, people):
        connection.raw_sql(
            f"CREATE TABLE profiling_measured AS SELECT {typed} FROM ({ibis.to_sql(found, dialect='duckdb')})"
        )


@contextmanager
def _room_for(connection: Backend, people: int) -> Iterator[None]:
    """More memory while very many are measured: DuckDB spills groups, but not all that it needs to spill them."""
    if people < _MANY:
        yield
        return
    ((usual,),) = connection.raw_sql("SELECT current_setting('memory_limit')").fetchall()
    connection.raw_sql(f"SET memory_limit = '{people * _A_PERSON // 10**6}MB'")
    try:
        yield
    finally:
        connection.raw_sql(f"SET memory_limit = '{usual}'")


def _write(standing: Standing, shop: Shop, made: Mapping[str, int], rows: str, *, latest: int = 0) -> None:
    """Commit who was measured lately, with what all `rows` were made of."""
    found = cuts(view(standing.connection, "profiling_next", rows)).to_polars().row(0, named=True)
    newest = [
        _one(standing, f"SELECT epoch_us(max({column})) FROM ({source})")
        for column, source in (
            ('"at"', "FROM profiling_raw"),
            ("created_at", ibis.to_sql(shop.customers, dialect="duckdb")),
            ("created_at", ibis.to_sql(shop.products, dialect="duckdb")),
        )
    ]
    versions: dict[str, int] = {name: standing.number(name) for name in TABLES}
    note = Built({**versions, **made}, standing.timezone, max(latest, *newest), found)
    kept.write(_rows(standing, _LATELY), standing.folder, LATELY, anew=True, note=note)


def _rows(standing: Standing, query: str) -> DuckDBPyConnection:
    found: DuckDBPyConnection = standing.connection.raw_sql(query)
    return found


def _one(standing: Standing, query: str) -> int:
    row = standing.connection.raw_sql(query).fetchone()
    return int(row[0] or 0)


@contextmanager
def _refreshing(folder: Path) -> Iterator[None]:
    """One refresh at a time over all processes; writers of events needn't wait for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".profiles.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
