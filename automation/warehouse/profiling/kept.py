"""The kept profile table: which versions of the warehouse it was made of, and where its parts lie.

    profiles         one row per customer: customer_id, zone and `profiling.measures`; versioned, a Delta table
    profiles_facts   `profiling.facts` with numbers for ids, from which touched customers are measured again
    profiles_shelf   product, product_id, category, brand: what each product number means, and what it was sorted under

The commit of `profiles` carries a `Built`; facts and shelf are read in the versions that it names, so a crash between
the three commits changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from duckdb import DuckDBPyConnection

from automation.warehouse.tables import read_parquet

PROFILES, FACTS, SHELF = "profiles", "profiles_facts", "profiles_shelf"
FORM = 1  # raised when measures change their meaning: what was kept in another form is built anew
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


@dataclass(frozen=True)
class Built:
    """What the kept table was made of. `cuts` are those of `profiling.cuts`.

    versions: of customers, products, events, facts and shelf. timezone: for customers without one. latest: microseconds
    since 1970 of the newest thing in it; a profile as of an earlier instant can't be read from it.
    """

    versions: Mapping[str, int]
    timezone: str
    latest: int
    cuts: Mapping[str, float | None]
    form: int = FORM
    number: int = -1  # of the commit of `profiles` that carries it


def built(folder: Path) -> Built | None:
    """What the newest kept table was made of; None where there is none in today's form."""
    delta = _open(folder, PROFILES)
    if delta is None or not delta.file_uris():
        return None
    written = delta.history(1)[0].get(_KEY)
    found = Built(**json.loads(written)) if written else None
    return replace(found, number=delta.version()) if found is not None and found.form == FORM else None


def select_kept(folder: Path, name: str, version: int | None = None) -> str:
    """SQL that reads one of the three tables, in its newest version or the numbered one."""
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
    """Undo commits that no `profiles` commit followed."""
    delta = _open(folder, name)
    if delta is not None and delta.version() > version:
        delta.restore(version)


def tidy(folder: Path) -> None:
    """Join the small files that days leave in the facts, and delete what no version of the last week needs."""
    facts = _open(folder, FACTS)
    if facts is not None and len(facts.file_uris()) > _FILES_KEPT:
        facts.optimize.compact(max_concurrent_tasks=1)
    for name in (PROFILES, FACTS, SHELF):
        delta = _open(folder, name)
        if delta is not None and delta.version() and delta.version() % _VERSIONS_A_SWEEP == 0:
            delta.vacuum(dry_run=False)


def _open(folder: Path, name: str) -> DeltaTable | None:
    path = folder / name
    return DeltaTable(path) if (path / "_delta_log").is_dir() else None
