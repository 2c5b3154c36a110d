"""Undoes one import: the rows that it added go, those that it changed become what they were before.

The Delta log tells which rows these are, as long as the files of the versions before and after the import exist.
"""

# ruff: noqa: S608 (SQL can't take names as parameters: they are quoted by `quote_name`, and strings by `quote_text`)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deltalake.exceptions import DeltaError
from duckdb import DuckDBPyConnection

from automation.errors import AutomationError
from automation.types.schema import TABLES, ColumnType, TableName
from automation.warehouse.tables import TableVersion, listed_columns, quote_name, select_files, table_version
from automation.warehouse.writing import replace_rows


@dataclass(frozen=True)
class Undone:
    """removed: rows that the import had added. restored: rows that are what they were before. kept: rows that were
    changed since, and stay as they are."""

    removed: int
    restored: int
    kept: int


def undo_import(sql: DuckDBPyConnection, folder: Path, name: TableName, before: int, after: int) -> Undone:
    """Undo the change from one version of the table to the next. Call it within `lock_for_writing`.

    Raises `AutomationError` where the files of these versions are gone.
    """
    old, new = _version(folder, name, before), _version(folder, name, after)
    current = table_version(folder, name)
    if name == "events":
        return _remove_events(sql, folder, current, old, new)
    return _restore_records(sql, folder, current, old, new)


def _version(folder: Path, name: TableName, number: int) -> TableVersion:
    lost = AutomationError(
        f"version {number} of {name} is no longer there: an import can be undone for about a week, until old files are "
        "deleted"
    )
    try:
        found = table_version(folder, name, number)
    except DeltaError as error:
        raise lost from error
    if not all(Path(file).exists() for file in found.files):
        raise lost
    return found


def _remove_events(
    sql: DuckDBPyConnection, folder: Path, current: TableVersion, old: TableVersion, new: TableVersion
) -> Undone:
    added = TableVersion(
        new.name, new.number, new.columns, tuple(set(new.files) - set(old.files)), new.stored, new.newest
    )
    sql.execute(f"CREATE OR REPLACE TEMP TABLE added AS SELECT event_id FROM ({select_files(added)})")
    removed = _count(sql, f"({select_files(current)}) SEMI JOIN added USING (event_id)")
    if removed:
        replace_rows(folder, current, sql.execute(f"FROM ({select_files(current)}) ANTI JOIN added USING (event_id)"))
    sql.execute("DROP TABLE added")
    return Undone(removed, 0, 0)


def _restore_records(
    sql: DuckDBPyConnection, folder: Path, current: TableVersion, old: TableVersion, new: TableVersion
) -> Undone:
    key = quote_name(TABLES[current.name].key)
    columns = current.columns
    was, then, now = (_as(version, columns) for version in (old, new, current))
    sql.execute(
        f"CREATE OR REPLACE TEMP TABLE changed AS "
        f"SELECT t.{key}, w.{key} IS NULL AS is_new, {_same('t', 'n', columns)} AS untouched "
        f"FROM ({then}) t LEFT JOIN ({was}) w ON t.{key} = w.{key} JOIN ({now}) n ON t.{key} = n.{key} "
        f"WHERE w.{key} IS NULL OR NOT ({_same('t', 'w', columns)})"
    )
    removed, restored, kept = (
        _count(sql, f"changed WHERE {test}")
        for test in ("untouched AND is_new", "untouched AND NOT is_new", "NOT untouched")
    )
    if removed or restored:
        rows = (
            f"SELECT * FROM ({now}) ANTI JOIN (FROM changed WHERE untouched) USING ({key}) UNION ALL "
            f"SELECT * FROM ({was}) SEMI JOIN (FROM changed WHERE untouched AND NOT is_new) USING ({key})"
        )
        replace_rows(folder, current, sql.execute(rows))
    sql.execute("DROP TABLE changed")
    return Undone(removed, restored, kept)


def _as(version: TableVersion, columns: Mapping[str, ColumnType]) -> str:
    """SQL that selects the version with these columns; those that it does not have yet are null."""
    return f"SELECT {listed_columns(columns, version.columns)} FROM ({select_files(version)})"


def _same(one: str, other: str, columns: Mapping[str, ColumnType]) -> str:
    return " AND ".join(f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}" for name in map(quote_name, columns))


def _count(sql: DuckDBPyConnection, relation: str) -> int:
    row = sql.execute(f"SELECT count(*) FROM {relation}").fetchone()
    assert row is not None
    return int(row[0])
