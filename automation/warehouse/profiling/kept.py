"""The kept profile table: which versions of the warehouse it was made of, and where its parts lie.

    profiles         one row per customer: customer_id, zone and `profiling.measures`; versioned, a Delta table
    profiles_lately  the rows of those whom a refresh touched since, in place of theirs in `profiles`
    profiles_facts   `profiling.facts` with numbers for ids, from which touched customers are measured again
    profiles_shelf   product, product_id, category, brand: what each product number means, and what it was sorted under

The commit of `profiles_lately` carries a `Built`; the others are read in the versions that it names, so a crash between
the commits changes nothing. Writing all of a million customers again took a third of what a day's refresh costs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from duckdb import DuckDBPyConnection

from automation.warehouse.profiling.arrivals import arrived
from automation.warehouse.tables import read_parquet

PROFILES, LATELY, FACTS, SHELF = "profiles", "profiles_lately", "profiles_facts", "profiles_shelf"
FORM = 2  # raised when measures change their meaning: what was kept in another form is built anew
_KEY = "automation.profiles"
_NOTHING = {
    FACTS: 'SELECT NULL::INTEGER AS customer, NULL::TINYINT AS kind, NULL::TIMESTAMPTZ AS "at", NULL::DATE AS day, '
    "NULL::BIGINT AS act, NULL::INTEGER AS product, NULL::BIGINT AS units, NULL::DOUBLE AS discount WHERE false",
    SHELF: "SELECT NULL::INTEGER AS product, NULL::VARCHAR AS product_id, NULL::VARCHAR AS category, "
    "NULL::VARCHAR AS brand WHERE false",
}  # DuckDB reads no table out of no files
_ROW_GROUP = 100_000
_FILES_KEPT = 64
_VERSIONS_A_SWEEP = 10
_COMMITS_READ = 5  # a sweep leaves commits of its own


@dataclass(frozen=True)
class Built:
    """What the kept table was made of. `cuts` are those of `profiling.cuts`.

    versions: of customers, products, events, profiles, facts and shelf. timezone: for customers without one. latest:
    microseconds since 1970 of the newest thing in it; a profile as of an earlier instant can't be read from it.
    """

    versions: Mapping[str, int]
    timezone: str
    latest: int
    cuts: Mapping[str, float | None]
    form: int = FORM
    number: int = -1  # of the commit of `profiles_lately` that carries it


def built(folder: Path) -> Built | None:
    """What the newest kept table was made of; None where there is none in today's form."""
    delta = _open(folder, LATELY)
    if delta is None:
        return None
    commit = next((entry for entry in delta.history(_COMMITS_READ) if _KEY in entry), None)
    found = Built(**json.loads(commit[_KEY])) if commit is not None else None
    return replace(found, number=commit["version"]) if commit is not None and found and found.form == FORM else None


def select_profiles(folder: Path, built: Built) -> str:
    """SQL that reads the kept profiles as they were built."""
    whole = select_kept(folder, PROFILES, built.versions[PROFILES])
    lately = select_lately(folder, built)
    return replaced(whole, lately) if lately else whole


def select_lately(folder: Path, built: Built) -> str:
    """SQL for the rows in place of older ones; empty where there are none."""
    delta = _open(folder, LATELY)
    assert delta is not None
    delta.load_as_version(built.number)
    files = delta.file_uris()
    return f"SELECT * FROM {read_parquet(map(unquote, files))}" if files else ""  # noqa: S608


def replaced(rows: str, newer: str) -> str:
    """SQL of rows by customer, and newer ones in their place."""
    return f"SELECT * FROM ({newer}) UNION ALL BY NAME SELECT * FROM ({rows}) ANTI JOIN ({newer}) USING (customer)"  # noqa: S608


def select_kept(folder: Path, name: str, version: int | None = None) -> str:
    """SQL that reads one of the tables, in its newest version or the numbered one."""
    delta = _open(folder, name)
    assert delta is not None
    if version is not None:
        delta.load_as_version(version)
    files = delta.file_uris()
    return f"SELECT * FROM {read_parquet(map(unquote, files))}" if files else _NOTHING[name]  # noqa: S608


def version_of(folder: Path, name: str) -> int:
    """The newest version; -1 where nothing was written."""
    delta = _open(folder, name)
    return -1 if delta is None else delta.version()


def write(rows: DuckDBPyConnection, folder: Path, name: str, *, anew: bool, note: Built | None = None) -> int:
    """Stream a query's rows into one commit, in place of the table or behind it; returns the new version."""
    write_deltalake(
        folder / name,
        rows.to_arrow_reader(_ROW_GROUP),
        mode="overwrite" if anew else "append",
        schema_mode="overwrite" if anew else None,
        name=name,
        writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=_ROW_GROUP),
        commit_properties=CommitProperties(custom_metadata={_KEY: json.dumps(asdict(note))} if note else None),
    )
    return version_of(folder, name)


def forget_after(folder: Path, name: str, version: int) -> None:
    """Undo commits that no `profiles_lately` commit followed; joining files and sweeping up change nothing."""
    delta = _open(folder, name)
    if delta is not None and arrived(folder / name, version, delta.version()) != []:
        delta.restore(version)


def tidy(folder: Path) -> None:
    """Join the small files that days leave in the facts, and delete what no version of the last week needs."""
    facts = _open(folder, FACTS)
    if facts is not None and len(facts.file_uris()) > _FILES_KEPT:
        facts.optimize.compact(max_concurrent_tasks=1)
    for name in (PROFILES, LATELY, FACTS, SHELF):
        delta = _open(folder, name)
        if delta is not None and delta.version() and delta.version() % _VERSIONS_A_SWEEP == 0:
            delta.vacuum(dry_run=False)


def _open(folder: Path, name: str) -> DeltaTable | None:
    path = folder / name
    return DeltaTable(path) if (path / "_delta_log").is_dir() else None
