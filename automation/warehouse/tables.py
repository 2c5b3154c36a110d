"""The Delta tables on disk: their files, their columns, and the engines' names of column types."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from automation.contracts.columns import POLARS_TYPES
from automation.errors import AutomationError, ContractError
from automation.types.schema import TABLES, ColumnType, TableName

SQL_TYPES: Mapping[ColumnType, str] = MappingProxyType(
    {
        "text": "VARCHAR",
        "number": "DOUBLE",
        "integer": "BIGINT",
        "boolean": "BOOLEAN",
        "date": "DATE",
        "time": "TIMESTAMP WITH TIME ZONE",
    }
)
_DELTA_TYPES: Mapping[str, ColumnType] = MappingProxyType(
    {
        "string": "text",
        "double": "number",
        "float": "number",
        "long": "integer",
        "integer": "integer",
        "short": "integer",
        "byte": "integer",
        "boolean": "boolean",
        "date": "date",
        "timestamp": "time",
    }
)
_MILLISECOND = timedelta(milliseconds=1)
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TableVersion:
    """One version of a table: its columns by type, declared ones first, and its Parquet files."""

    name: TableName
    number: int  # -1: nothing was written yet
    columns: Mapping[str, ColumnType]
    files: tuple[str, ...]
    stored: frozenset[str] = frozenset()  # the columns in the files; a later release may declare further ones
    newest: datetime | None = None  # no row is later; None if the log has no statistics


def table_version(folder: Path, name: TableName, number: int | None = None) -> TableVersion:
    """The table's newest or numbered version; a table that was never written has its declared columns and no files."""
    delta = open_delta(folder, name)
    declared = TABLES[name].columns
    if delta is None or number == -1:
        return TableVersion(name, -1, declared, ())
    if number is not None:
        delta.load_as_version(number)
    stored = {field.name: _DELTA_TYPES[field.type.type] for field in delta.schema().fields}
    columns = {**declared, **{column: kind for column, kind in stored.items() if column not in declared}}
    files = tuple(map(unquote, delta.file_uris()))
    return TableVersion(name, delta.version(), columns, files, frozenset(stored), _newest(delta, name))


def _newest(delta: DeltaTable, name: TableName) -> datetime | None:
    """The latest `occurred_at` or `created_at`, from the log's statistics, which truncate it to the millisecond."""
    column = "occurred_at" if name == "events" else "created_at"
    files = pl.DataFrame(delta.get_add_actions(flatten=True))
    if not {f"max.{column}", f"null_count.{column}"} <= set(files.columns):
        return None
    dated = files.filter((pl.col(f"null_count.{column}") < pl.col("num_records")).fill_null(True))
    latest = dated[f"max.{column}"]
    if latest.null_count():
        return None
    found = latest.max()
    return found + _MILLISECOND if isinstance(found, datetime) else _LONG_AGO


def open_delta(folder: Path, name: TableName) -> DeltaTable | None:
    """The Delta table, or None if nothing was written yet."""
    path = folder / name
    if not (path / "_delta_log").is_dir():
        return None
    return DeltaTable(path)


def select_files(version: TableVersion) -> str:
    """SQL that reads the version with its declared types, even if there are no files yet."""
    columns = listed_columns(version.columns, version.stored if version.files else ())
    return f"SELECT {columns} " + (f"FROM {read_parquet(version.files)}" if version.files else "WHERE false")


def listed_columns(columns: Mapping[str, ColumnType], present: Container[str]) -> str:
    """SQL that selects the columns with their types; columns that aren't present are null."""
    return ", ".join(
        f"{quote_name(name) if name in present else 'NULL'}::{SQL_TYPES[kind]} AS {quote_name(name)}"
        for name, kind in columns.items()
    )


def read_parquet(files: Iterable[str]) -> str:
    """SQL that reads Parquet files, which may have different columns; paths are literal, not patterns."""
    listed = ", ".join(quote_text(_literal_path(path)) for path in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def merged_columns(version: TableVersion, added: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """The version's columns and the new ones. Raises `AutomationError` if a column's type would change."""
    for name, kind in added.items():
        known = version.columns.get(name, kind)
        if known != kind:
            raise AutomationError(
                f"{version.name}: column {name!r} has the type {known} in the warehouse and {kind} in the new data; "
                f"give it the type {known} in the mapping, or import it under another name"
            )
    return {**version.columns, **added}


def frame_columns(name: TableName, frame: pl.DataFrame) -> dict[str, ColumnType]:
    """The frame's columns by type. Raises `ContractError` for a type that the warehouse can't store."""
    kinds: dict[str, ColumnType] = {}
    for column, dtype in frame.schema.items():
        kind = TABLES[name].columns.get(column) or _kind(dtype)
        if kind is None or not _fits(dtype, kind):
            expected = f"{POLARS_TYPES[kind]}" if kind else "text, number, boolean, date or UTC time"
            raise ContractError(f"{name}: column {column!r} has the type {dtype}, expected {expected}")
        kinds[column] = kind
    return kinds


def _kind(dtype: pl.DataType) -> ColumnType | None:
    if dtype.is_integer():
        return "integer"
    if dtype.is_float():
        return "number"
    if dtype == pl.Null:
        return "text"
    return next((kind for kind, known in POLARS_TYPES.items() if dtype == known), None)


def _fits(dtype: pl.DataType, kind: ColumnType) -> bool:
    if dtype == pl.Null or dtype == POLARS_TYPES[kind]:
        return True
    if kind == "number":
        return dtype.is_numeric()
    if kind == "time":
        return isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC"
    return kind == "integer" and dtype.is_integer()


def quote_name(name: str) -> str:
    """A column's name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(value: str) -> str:
    """A string as a SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def _literal_path(path: str) -> str:
    """Escape `*`, `?` and `[`, which DuckDB reads as a pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
