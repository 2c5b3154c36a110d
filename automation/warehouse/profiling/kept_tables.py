"""The kept profiles as Delta tables, and the versions of the warehouse from which they were built.

    profiles           one row per customer: customer_id, zone and `profiling.measures`
    profiles_recent    rows of customers who were measured again since; they replace those in `profiles`
    profiles_facts     `profiling.facts` with numbers for ids, to measure touched customers again
    profiles_products  product, product_id, category, brand: the product numbers, with the values at the last build

The commit of `profiles_recent` records a `ProfileBuild`. The other tables are read in the versions that it names, so a
crash between the commits changes nothing. `profiles_recent` exists because rewriting a million customers took a third
of the time of a day's refresh.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from duckdb import DuckDBPyConnection

from automation.warehouse.profiling.new_files import find_new_files
from automation.warehouse.tables import read_parquet

PROFILES, RECENT, FACTS, PRODUCTS = "profiles", "profiles_recent", "profiles_facts", "profiles_products"
FORMAT = 3  # raise it when measures change their meaning; tables of another format are rebuilt
_KEY = "automation.profiles"
_NOTHING = {
    FACTS: 'SELECT NULL::INTEGER AS customer, NULL::TINYINT AS kind, NULL::TIMESTAMPTZ AS "at", NULL::DATE AS day, '
    "NULL::BIGINT AS act, NULL::INTEGER AS product, NULL::BIGINT AS units, NULL::DOUBLE AS discount WHERE false",
    PRODUCTS: "SELECT NULL::INTEGER AS product, NULL::VARCHAR AS product_id, NULL::VARCHAR AS category, "
    "NULL::VARCHAR AS brand WHERE false",
}  # DuckDB can't read a table without files
_ROW_GROUP = 100_000
_FILES_KEPT = 64
_VERSIONS_A_SWEEP = 10
_COMMITS_READ = 5  # deleting old files adds commits


@dataclass(frozen=True)
class ProfileBuild:
    """What the kept tables were built from.

    versions: of customers, products and events, and of the kept tables. timezone: for customers without one. latest:
    the newest instant in the data, in microseconds since 1970; profiles as of an earlier instant can't be read from the
    kept tables. cut_points: those of `profiling.cut_points`. number: the version of `profiles_recent` that records it.
    """

    versions: Mapping[str, int]
    timezone: str
    latest: int
    cut_points: Mapping[str, float | None]
    format: int = FORMAT
    number: int = -1


def read_build(folder: Path) -> ProfileBuild | None:
    """The build of the newest kept tables; None if there are none in the current format."""
    delta = _open(folder, RECENT)
    if delta is None:
        return None
    commit = next((entry for entry in delta.history(_COMMITS_READ) if _KEY in entry), None)
    found = ProfileBuild(**json.loads(commit[_KEY])) if commit is not None else None
    return replace(found, number=commit["version"]) if commit is not None and found and found.format == FORMAT else None


def select_profiles(folder: Path, build: ProfileBuild) -> str:
    """SQL that reads the kept profiles of the build."""
    whole = select_kept(folder, PROFILES, build.versions[PROFILES])
    recent = select_recent(folder, build)
    return select_replaced(whole, recent) if recent else whole


def select_recent(folder: Path, build: ProfileBuild) -> str:
    """SQL for the rows of `profiles_recent`; empty if there are none."""
    delta = _open(folder, RECENT)
    assert delta is not None
    delta.load_as_version(build.number)
    files = delta.file_uris()
    return f"SELECT * FROM {read_parquet(map(unquote, files))}" if files else ""  # noqa: S608


def select_replaced(rows: str, newer: str) -> str:
    """SQL for the rows, with the newer ones in place of those of the same customer."""
    return f"SELECT * FROM ({newer}) UNION ALL BY NAME SELECT * FROM ({rows}) ANTI JOIN ({newer}) USING (customer)"  # noqa: S608


def select_kept(folder: Path, name: str, version: int | None = None) -> str:
    """SQL that reads the newest or the numbered version of one of the tables."""
    delta = _open(folder, name)
    assert delta is not None
    if version is not None:
        delta.load_as_version(version)
    files = delta.file_uris()
    return f"SELECT * FROM {read_parquet(map(unquote, files))}" if files else _NOTHING[name]  # noqa: S608


def version_of(folder: Path, name: str) -> int:
    """The newest version; -1 if nothing was written."""
    delta = _open(folder, name)
    return -1 if delta is None else delta.version()


def write_table(
    rows: DuckDBPyConnection, folder: Path, name: str, *, overwrite: bool, note: ProfileBuild | None = None
) -> int:
    """Stream a query's rows into one commit that overwrites or extends the table; returns the new version."""
    write_deltalake(
        folder / name,
        rows.to_arrow_reader(_ROW_GROUP),
        mode="overwrite" if overwrite else "append",
        schema_mode="overwrite" if overwrite else None,
        name=name,
        writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=_ROW_GROUP),
        commit_properties=CommitProperties(custom_metadata={_KEY: json.dumps(asdict(note))} if note else None),
    )
    return version_of(folder, name)


def undo_commits(folder: Path, name: str, version: int) -> None:
    """Restore the version if later commits changed data; merging and deleting files doesn't."""
    delta = _open(folder, name)
    if delta is not None and find_new_files(folder / name, version, delta.version()) != []:
        delta.restore(version)


def compact_tables(folder: Path) -> None:
    """Merge the small files of daily refreshes, and delete files that no version of the last week needs."""
    facts = _open(folder, FACTS)
    if facts is not None and len(facts.file_uris()) > _FILES_KEPT:
        facts.optimize.compact(max_concurrent_tasks=1)
    for name in (PROFILES, RECENT, FACTS, PRODUCTS):
        delta = _open(folder, name)
        if delta is not None and delta.version() and delta.version() % _VERSIONS_A_SWEEP == 0:
            delta.vacuum(dry_run=False)


def _open(folder: Path, name: str) -> DeltaTable | None:
    path = folder / name
    return DeltaTable(path) if (path / "_delta_log").is_dir() else None
