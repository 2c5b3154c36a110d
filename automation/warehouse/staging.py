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
        part = self.folder / f"rows-{self.rows:012d}.parquet"
        typed.with_row_index(ORDER, self.rows).write_parquet(part, compression="lz4", row_group_size=100_000)
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
        return f"SELECT {columns}, {ORDER} FROM {read_parquet(map(str, self._parts))}"

    def number_repeats(self, sql: DuckDBPyConnection, since: int) -> None:
        """Give the second and every further row of one event_id, among the parts from `since` on, an id of its own."""
        parts = self._parts[since:]
        if not parts:
            return
        numbered = self.folder / f"numbered-{since:06d}.parquet"
        sql.execute(
            f"COPY (SELECT r.* REPLACE (CASE WHEN n.place > 1 THEN r.event_id || '-' || n.place ELSE r.event_id END "
            f"AS event_id) FROM {read_parquet(map(str, parts))} r JOIN (SELECT {ORDER}, row_number() OVER "
            f"(PARTITION BY event_id ORDER BY {ORDER}) AS place FROM {read_parquet(map(str, parts))}) n "
            f"USING ({ORDER})) TO {text(str(numbered))} (FORMAT parquet)"
        )
        self._parts[since:] = [numbered]

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
