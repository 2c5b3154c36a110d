"""The Delta tables on disk: where they lie, which columns they have, and how the engines call a column's type."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from automation.errors import AutomationError, ContractError
from automation.types.schema import TABLES, ColumnType, TableName

POLARS_TYPES: Mapping[ColumnType, pl.DataType] = MappingProxyType(
    {
        "text": pl.String(),
        "number": pl.Float64(),
        "integer": pl.Int64(),
        "boolean": pl.Boolean(),
        "date": pl.Date(),
        "time": pl.Datetime("us", "UTC"),
    }
)
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
    """One version of a table: its columns by type, declared ones first, and the Parquet files that hold it."""

    name: TableName
    number: int  # -1: nothing was ever written
    columns: Mapping[str, ColumnType]
    files: tuple[str, ...]
    stored: frozenset[str] = frozenset()  # the columns that the files have; a release may declare further ones
    newest: datetime | None = None  # no row came to be after it; None where the log doesn't say


def table_version(folder: Path, name: TableName, number: int | None = None) -> TableVersion:
    """The table's newest version, or the numbered one; a table never written has its declared columns and no files."""
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
    """The latest `occurred_at` or `created_at` by the log's statistics, which cut it to the millisecond."""
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
    """The Delta table, or None where nothing was ever written."""
    path = folder / name
    if not (path / "_delta_log").is_dir():
        return None
    return DeltaTable(path)


def select_files(version: TableVersion) -> str:
    """SQL that reads the version with its declared types, also when there are no files yet."""
    columns = listed_columns(version.columns, version.stored if version.files else ())
    return f"SELECT {columns} " + (f"FROM {read_parquet(version.files)}" if version.files else "WHERE false")


def listed_columns(columns: Mapping[str, ColumnType], present: Container[str]) -> str:
    """SQL that selects the columns with their types, as nulls where they aren't present."""
    return ", ".join(
        f"{quoted(name) if name in present else 'NULL'}::{SQL_TYPES[kind]} AS {quoted(name)}"
        for name, kind in columns.items()
    )


def read_parquet(files: Iterable[str]) -> str:
    """SQL for a list of Parquet files, however old each is; a path is taken as it is, not as a pattern."""
    listed = ", ".join(text(_literal_path(path)) for path in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def merged_columns(version: TableVersion, added: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """The version's columns and the new ones. Raises `AutomationError` where a column would change its type."""
    for name, kind in added.items():
        known = version.columns.get(name, kind)
        if known != kind:
            raise AutomationError(
                f"{version.name}: column {name!r} holds {known} in the warehouse and would become {kind}; "
                f"give it the type {known} in the mapping, or import it under another name"
            )
    return {**version.columns, **added}


def frame_columns(name: TableName, frame: pl.DataFrame) -> dict[str, ColumnType]:
    """The frame's columns by type. Raises `ContractError` for a type that the warehouse can't hold."""
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


def quoted(name: str) -> str:
    """A column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string as SQL."""
    return "'" + value.replace("'", "''") + "'"


def _literal_path(path: str) -> str:
    """DuckDB takes `*`, `?` and `[` in a path for a pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)
