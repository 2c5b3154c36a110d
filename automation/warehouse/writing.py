"""Staged rows into a Delta table: events appended once each, customers and products set by key."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are quoted by `quoted`, and strings by `text`)

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.transaction import AddAction, create_table_with_add_actions
from pyarrow import parquet

from automation.types.schema import TABLES, ColumnType, TableName
from automation.warehouse.importing.staging import ORDER, ROW_GROUP, StagedEvents, StagedRecords, Staging, filled
from automation.warehouse.tables import (
    TableVersion,
    listed_columns,
    merged_columns,
    open_delta,
    quoted,
    read_parquet,
    select_files,
    table_version,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FILES_KEPT = 64
_FILE_BYTES = 32_000_000
_VERSIONS_A_SWEEP = 50


@dataclass(frozen=True)
class Change:
    """What a write did, in rows; every row written is counted exactly once."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """One writer at a time over all processes; readers never wait, they read the version that they started with."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def last_transaction(folder: Path, app_id: str) -> int | None:
    """The highest transaction number that the events table carries of this application."""
    delta = open_delta(folder, "events")
    return None if delta is None else delta.transaction_version(app_id)


def has_transaction(folder: Path, app_id: str, number: int) -> bool:
    """Whether the events table carries this application's transaction; numbers only ever rise."""
    last = last_transaction(folder, app_id)
    return last is not None and last >= number


def append(sql: DuckDBPyConnection, folder: Path, staged: Staging, transaction: tuple[str, int] | None) -> Change:
    """Append the staged events whose id is new, in one commit that carries the transaction; call within `writing`."""
    assert isinstance(staged, StagedEvents)
    if transaction is not None and has_transaction(folder, *transaction):
        return Change(duplicates=staged.rows)
    version = table_version(folder, "events")
    parts = staged.parts
    if not staged.rows:
        if transaction is not None:
            _commit(folder / "events", sql.execute(f"{select_files(version)} LIMIT 0"), transaction=transaction)
        return Change()
    columns = merged_columns(version, staged.columns)
    known = _find_known(sql, version, parts)
    added = staged.fresh - known
    if known or staged.stored != columns or _grown(version, columns):
        if added or transaction is not None:
            rows = _new_events(sql, columns, parts)
            _commit(folder / "events", rows, grown=_grown(version, columns), transaction=transaction)
    else:
        _adopt(folder / "events", parts, transaction, new=version.number < 0)
    sql.execute("DROP TABLE known")
    return Change(added=added, duplicates=staged.rows - added)


def _find_known(sql: DuckDBPyConnection, version: TableVersion, parts: Sequence[Path]) -> int:
    """Make the table `known` of staged ids that the events table has already, and count them."""
    if not version.files:
        sql.execute("CREATE OR REPLACE TEMP TABLE known (event_id VARCHAR)")
        return 0
    # The left side of a semi join streams and the right one is held, so the whole events table never is.
    sql.execute(
        f"CREATE OR REPLACE TEMP TABLE known AS SELECT DISTINCT event_id FROM ({select_files(version)}) "
        f"SEMI JOIN {read_parquet(map(str, parts))} USING (event_id)"
    )
    return _count(sql, "known")


def _new_events(
    sql: DuckDBPyConnection, columns: Mapping[str, ColumnType], parts: Sequence[Path]
) -> pa.RecordBatchReader:
    """The rows to append, in the order in which they were staged, which a query on two threads would mix up."""
    schema = filled(pl.DataFrame(), columns).to_arrow().schema

    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts:
            found = sql.execute(f"SELECT event_id FROM known SEMI JOIN {read_parquet([str(part)])} USING (event_id)")
            fresh = pl.read_parquet(part, glob=False).join(found.pl(), on="event_id", how="anti", maintain_order="left")
            yield from filled(fresh, columns).to_arrow().combine_chunks().to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _adopt(path: Path, parts: Sequence[Path], transaction: tuple[str, int] | None, *, new: bool) -> None:
    """Make the files part of the table, as one commit; until then they are nobody's."""
    path.mkdir(exist_ok=True)
    schema = Schema.from_arrow(parquet.read_schema(parts[0]))
    added = [_moved(part, path) for part in parts]
    properties = _properties(transaction)
    if new:
        create_table_with_add_actions(
            str(path), schema, added, mode="append", name=path.name, commit_properties=properties
        )
    else:
        DeltaTable(path).create_write_transaction([*added], "append", schema, [], commit_properties=properties)


def _moved(part: Path, folder: Path) -> AddAction:
    at = pl.read_parquet(part, columns=["occurred_at"], glob=False)["occurred_at"]
    moved = part.rename(folder / f"part-{uuid4()}.parquet")
    found = moved.stat()
    stats = {
        "numRecords": len(at),
        "minValues": {"occurred_at": _milliseconds(at.min())},
        "maxValues": {"occurred_at": _milliseconds(at.max())},
        "nullCount": {"occurred_at": 0},
    }
    written = int(found.st_mtime * 1_000)
    return AddAction(moved.name, found.st_size, {}, written, data_change=True, stats=json.dumps(stats))


def _milliseconds(at: object) -> str:
    """As Delta's statistics have it: what is beyond is cut off, of the latest too."""
    assert isinstance(at, datetime)
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def upsert(sql: DuckDBPyConnection, folder: Path, staged: Staging) -> Change:
    """Add new keys and update known ones; of rows with one key the last wins; call within `writing`.

    The staged columns are set, also to nothing; columns that were not staged keep their value.
    """
    assert isinstance(staged, StagedRecords)
    if not staged.rows:
        return Change()
    key = quoted(TABLES[staged.table].key)
    version = table_version(folder, staged.table)
    columns = merged_columns(version, staged.columns)
    path, grown = folder / staged.table, _grown(version, columns)
    distinct = _find_changes(sql, version, staged, key)
    added = _count(sql, "change WHERE is_new")
    updated = _count(sql, "change") - added
    if updated:
        rows = f"{_kept(version, columns, key)} UNION ALL {_set(version, columns, staged, key)}"
        _commit(path, sql.execute(rows), mode="overwrite", grown=grown)
    elif added:
        _commit(path, sql.execute(f"SELECT {listed_columns(columns, staged.columns)} FROM change"), grown=grown)
    sql.execute("DROP TABLE change")
    return Change(added, updated, distinct - added - updated, staged.rows - distinct)


def _find_changes(sql: DuckDBPyConnection, version: TableVersion, staged: StagedRecords, key: str) -> int:
    """Make the table `change` of staged rows that are new or differ, and count the distinct keys staged."""
    same = " AND ".join(
        f"s.{quoted(name)} IS NOT DISTINCT FROM {f't.{quoted(name)}' if name in version.columns else 'NULL'}"
        for name in staged.columns
    )
    sql.execute(
        f"CREATE OR REPLACE TEMP TABLE latest AS SELECT max({ORDER}) AS {ORDER} FROM ({staged.sql}) GROUP BY {key}"
    )
    sql.execute(
        f"CREATE OR REPLACE TEMP TABLE change AS SELECT s.*, t.{key} IS NULL AS is_new "
        f"FROM ({staged.sql} SEMI JOIN latest USING ({ORDER})) s "
        f"LEFT JOIN ({select_files(version)}) t ON s.{key} = t.{key} WHERE t.{key} IS NULL OR NOT ({same})"
    )
    distinct = _count(sql, "latest")
    sql.execute("DROP TABLE latest")
    return distinct


def _grown(version: TableVersion, columns: Mapping[str, ColumnType]) -> bool:
    return version.number >= 0 and not version.stored.issuperset(columns)


def _kept(version: TableVersion, columns: Mapping[str, ColumnType], key: str) -> str:
    kept = listed_columns(columns, version.columns)
    return f"SELECT {kept} FROM ({select_files(version)}) ANTI JOIN change USING ({key})"


def _set(version: TableVersion, columns: Mapping[str, ColumnType], staged: StagedRecords, key: str) -> str:
    values = ", ".join(f"{'c' if name in staged.columns else 't'}.{quoted(name)} AS {quoted(name)}" for name in columns)
    return f"SELECT {values} FROM change c LEFT JOIN ({select_files(version)}) t USING ({key})"


def _commit(
    path: Path,
    rows: DuckDBPyConnection | pa.RecordBatchReader,
    *,
    mode: Literal["append", "overwrite"] = "append",
    grown: bool = False,
    transaction: tuple[str, int] | None = None,
) -> None:
    """Stream a query's rows into one Delta commit; `grown` says that there are columns the table doesn't have yet."""
    write_deltalake(
        path,
        rows if isinstance(rows, pa.RecordBatchReader) else rows.to_arrow_reader(ROW_GROUP),
        mode=mode,
        schema_mode=("overwrite" if mode == "overwrite" else "merge") if grown else None,
        name=path.name,
        writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=ROW_GROUP),
        commit_properties=_properties(transaction),
    )


def _properties(transaction: tuple[str, int] | None) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(*transaction)] if transaction else None)


def tidy(folder: Path, name: TableName) -> None:
    """Join the small files of flushes, and delete what no version of the last week needs; call within `writing`."""
    delta = open_delta(folder, name)
    if delta is None:
        return
    if len(delta.file_uris()) > _FILES_KEPT:
        delta.optimize.compact(target_size=_FILE_BYTES, max_concurrent_tasks=1)
    if delta.version() and delta.version() % _VERSIONS_A_SWEEP == 0:
        delta.vacuum(dry_run=False)


def _count(sql: DuckDBPyConnection, relation: str) -> int:
    row = sql.execute(f"SELECT count(*) FROM {relation}").fetchone()
    assert row is not None
    return int(row[0])
