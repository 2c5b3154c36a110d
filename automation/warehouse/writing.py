"""Write staged rows to a Delta table: events are appended once each, customers and products are set by key."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are quoted by `quote_name`, and strings by `quote_text`)

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    quote_name,
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
    """The rows of a write by what happened to them; each row is counted exactly once."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    versions: tuple[int, int] = field(default=(-1, -1), compare=False)
    """Of the table, before and after; by them an import can be undone."""


@contextmanager
def lock_for_writing(folder: Path) -> Iterator[None]:
    """Allow one writer at a time over all processes; readers don't wait, they read the version they started with."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def last_transaction(folder: Path, app_id: str) -> int | None:
    """The highest transaction number of this application that the events table has recorded."""
    delta = open_delta(folder, "events")
    return None if delta is None else delta.transaction_version(app_id)


def has_transaction(folder: Path, app_id: str, number: int) -> bool:
    """Whether the events table has recorded this application's transaction; numbers only rise."""
    last = last_transaction(folder, app_id)
    return last is not None and last >= number


def append_events(
    sql: DuckDBPyConnection, folder: Path, staged: Staging, transaction: tuple[str, int] | None
) -> Change:
    """Append the staged events with a new id, in one commit that records the transaction.

    Call it within `lock_for_writing`.
    """
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
    if known or staged.stored != columns or _has_new_columns(version, columns):
        if added or transaction is not None:
            rows = _new_events(sql, columns, parts)
            _commit(folder / "events", rows, new_columns=_has_new_columns(version, columns), transaction=transaction)
    else:
        _add_files(folder / "events", parts, transaction, new=version.number < 0)
    sql.execute("DROP TABLE known")
    return Change(added=added, duplicates=staged.rows - added)


def _find_known(sql: DuckDBPyConnection, version: TableVersion, parts: Sequence[Path]) -> int:
    """Create the table `known` of staged ids that the events table already has, and count them."""
    if not version.files:
        sql.execute("CREATE OR REPLACE TEMP TABLE known (event_id VARCHAR)")
        return 0
    # DuckDB streams the left side of a semi join and holds the right one in memory, so not the whole events table.
    sql.execute(
        f"CREATE OR REPLACE TEMP TABLE known AS SELECT DISTINCT event_id FROM ({select_files(version)}) "
        f"SEMI JOIN {read_parquet(map(str, parts))} USING (event_id)"
    )
    return _count(sql, "known")


def _new_events(
    sql: DuckDBPyConnection, columns: Mapping[str, ColumnType], parts: Sequence[Path]
) -> pa.RecordBatchReader:
    """The rows to append, in the order of staging, which one query on two threads would not keep."""
    schema = filled(pl.DataFrame(), columns).to_arrow().schema

    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts:
            found = sql.execute(f"SELECT event_id FROM known SEMI JOIN {read_parquet([str(part)])} USING (event_id)")
            fresh = pl.read_parquet(part, glob=False).join(found.pl(), on="event_id", how="anti", maintain_order="left")
            yield from filled(fresh, columns).to_arrow().combine_chunks().to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _add_files(path: Path, parts: Sequence[Path], transaction: tuple[str, int] | None, *, new: bool) -> None:
    """Add the files to the table in one commit."""
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
    """The instant as in Delta's statistics, which truncate to the millisecond, the maximum too."""
    assert isinstance(at, datetime)
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def upsert_records(sql: DuckDBPyConnection, folder: Path, staged: Staging) -> Change:
    """Add new keys and update known ones; of several rows with one key, the last one counts.

    The staged columns are set, also to null; columns that were not staged keep their value. Call it within
    `lock_for_writing`.
    """
    assert isinstance(staged, StagedRecords)
    if not staged.rows:
        return Change()
    key = quote_name(TABLES[staged.table].key)
    version = table_version(folder, staged.table)
    columns = merged_columns(version, staged.columns)
    path, new_columns = folder / staged.table, _has_new_columns(version, columns)
    distinct = _find_changes(sql, version, staged, key)
    added = _count(sql, "change WHERE is_new")
    updated = _count(sql, "change") - added
    if updated:
        rows = f"{_kept(version, columns, key)} UNION ALL {_set(version, columns, staged, key)}"
        _commit(path, sql.execute(rows), mode="overwrite", new_columns=new_columns)
    elif added:
        _commit(
            path, sql.execute(f"SELECT {listed_columns(columns, staged.columns)} FROM change"), new_columns=new_columns
        )
    sql.execute("DROP TABLE change")
    return Change(added, updated, distinct - added - updated, staged.rows - distinct)


def _find_changes(sql: DuckDBPyConnection, version: TableVersion, staged: StagedRecords, key: str) -> int:
    """Create the table `change` of staged rows that are new or different, and count the distinct staged keys."""
    same = " AND ".join(
        f"s.{quote_name(name)} IS NOT DISTINCT FROM {f't.{quote_name(name)}' if name in version.columns else 'NULL'}"
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


def _has_new_columns(version: TableVersion, columns: Mapping[str, ColumnType]) -> bool:
    return version.number >= 0 and not version.stored.issuperset(columns)


def _kept(version: TableVersion, columns: Mapping[str, ColumnType], key: str) -> str:
    kept = listed_columns(columns, version.columns)
    return f"SELECT {kept} FROM ({select_files(version)}) ANTI JOIN change USING ({key})"


def _set(version: TableVersion, columns: Mapping[str, ColumnType], staged: StagedRecords, key: str) -> str:
    values = ", ".join(
        f"{'c' if name in staged.columns else 't'}.{quote_name(name)} AS {quote_name(name)}" for name in columns
    )
    return f"SELECT {values} FROM change c LEFT JOIN ({select_files(version)}) t USING ({key})"


def _commit(
    path: Path,
    rows: DuckDBPyConnection | pa.RecordBatchReader,
    *,
    mode: Literal["append", "overwrite"] = "append",
    new_columns: bool = False,
    transaction: tuple[str, int] | None = None,
) -> None:
    """Stream a query's rows into one Delta commit; `new_columns` says whether there are any that the table lacks."""
    write_deltalake(
        path,
        rows if isinstance(rows, pa.RecordBatchReader) else rows.to_arrow_reader(ROW_GROUP),
        mode=mode,
        schema_mode=("overwrite" if mode == "overwrite" else "merge") if new_columns else None,
        name=path.name,
        writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=ROW_GROUP),
        commit_properties=_properties(transaction),
    )


def _properties(transaction: tuple[str, int] | None) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(*transaction)] if transaction else None)


def replace_rows(folder: Path, version: TableVersion, rows: DuckDBPyConnection) -> None:
    """Replace the rows of a table's newest version by a query's of its columns. Call it within `lock_for_writing`."""
    new_columns = _has_new_columns(version, version.columns)
    _commit(folder / version.name, rows, mode="overwrite", new_columns=new_columns)


def compact_table(folder: Path, name: TableName) -> None:
    """Merge the small files of flushes, and delete files that no version of the last week needs.

    Call it within `lock_for_writing`.
    """
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
