"""Rows on their way into the warehouse: spooled to Parquet, so that no import is held in memory."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are quoted by `quoted`, and strings by `text`)

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from automation.errors import ContractError
from automation.types.schema import TABLES, ColumnType, TableName
from automation.warehouse.tables import POLARS_TYPES, frame_columns, listed_columns, read_parquet, text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ORDER = "_order"  # the row's place among everything staged, so that "the last one wins" means something


class Staging:
    """A folder of Parquet parts with one set of columns; `rows` counts what was added."""

    def __init__(self, folder: Path, table: TableName) -> None:
        self.folder = folder
        self.table = table
        self.columns: dict[str, ColumnType] = {}
        self.rows = 0
        self._parts: list[Path] = []
        self._places: list[Path] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Spool a frame, if it has rows, with the required columns and any others. Raises `ContractError`."""
        if not frame.height:
            return
        kinds = frame_columns(self.table, frame)
        self._require(frame)
        if self._parts and kinds != self.columns:
            raise ContractError(f"{self.table}: a frame has other columns than the one before it")
        self.columns = kinds
        typed = frame.select(pl.col(name).cast(POLARS_TYPES[kind]) for name, kind in kinds.items())
        numbered = typed.with_row_index(ORDER, self.rows)
        if "occurred_at" in kinds:
            # Row groups with a short span of time are skipped by most rules. Sorting a frame at a time gives nearly
            # that: exports are in order of time already; sorting 2 M rows at once took 270 MB more.
            numbered = numbered.sort("occurred_at")
        part = self.folder / f"rows-{self.rows:012d}.parquet"
        numbered.write_parquet(part, compression="lz4", row_group_size=100_000)
        self._parts.append(part)
        self.rows += frame.height

    def _require(self, frame: pl.DataFrame) -> None:
        for name in TABLES[self.table].required:
            if name not in frame.columns:
                raise ContractError(f"{self.table}: the column {name!r} is missing")
            if empty := frame[name].null_count():
                raise ContractError(f"{self.table}: {empty} rows without {name!r}")

    @property
    def sql(self) -> str:
        """SQL that reads everything staged, `_order` included."""
        columns = listed_columns(self.columns, self.columns)
        rows = f"SELECT {columns}, {ORDER} FROM {read_parquet(map(str, self._parts))}"
        if not self._places:
            return rows
        numbered = "CASE WHEN place IS NULL THEN event_id ELSE event_id || '-' || place END AS event_id"
        return (
            f"SELECT * EXCLUDE (place) REPLACE ({numbered}) FROM ({rows}) "
            f"LEFT JOIN {read_parquet(map(str, self._places))} USING ({ORDER})"
        )

    def number_repeats(self, sql: DuckDBPyConnection, since: int) -> None:
        """Give the second and every further row of one event_id, among the parts from `since` on, an id of its own."""
        parts = self._parts[since:]
        if not parts:
            return
        places = self.folder / f"places-{since:06d}.parquet"
        row = sql.execute(
            f"COPY (SELECT {ORDER}, row_number() OVER (PARTITION BY event_id ORDER BY {ORDER}) AS place "
            f"FROM {read_parquet(map(str, parts))} QUALIFY place > 1) TO {text(str(places))} (FORMAT parquet)"
        ).fetchone()
        if row is not None and row[0]:
            self._places.append(places)

    @property
    def parts(self) -> int:
        """How many parts there are by now."""
        return len(self._parts)


@contextmanager
def stage(folder: Path, table: TableName) -> Iterator[Staging]:
    """A staging below `folder` that is removed with the end of the context."""
    folder.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="import-", dir=folder))
    try:
        yield Staging(own, table)
    finally:
        shutil.rmtree(own, ignore_errors=True)
