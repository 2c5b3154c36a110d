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

# Row groups of one type and a short span of time are skipped by most rules: see docs/explanation/file-layout.md.
# A million rows are sorted at a time: sorting all 20 M in one go took about a minute.
_PART_ROWS = 1_000_000
ORDER = "_order"  # the row's place among everything staged, so that "the last one wins" means something


class Staging:
    """A folder of Parquet parts with one set of columns; `rows` counts what was added."""

    def __init__(self, folder: Path, table: TableName) -> None:
        self.folder = folder
        self.table = table
        self.columns: dict[str, ColumnType] = {}
        self.rows = 0
        self._held: list[pl.DataFrame] = []
        self._parts: list[Path] = []
        self._places: list[Path] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Spool a frame, if it has rows, with the required columns and any others. Raises `ContractError`."""
        if not frame.height:
            return
        kinds = frame_columns(self.table, frame)
        self._require(frame)
        if self.columns and kinds != self.columns:
            raise ContractError(f"{self.table}: a frame has other columns than the one before it")
        self.columns = kinds
        typed = frame.select(pl.col(name).cast(POLARS_TYPES[kind]) for name, kind in kinds.items())
        self._held.append(typed.with_row_index(ORDER, self.rows))
        self.rows += frame.height
        if sum(held.height for held in self._held) >= _PART_ROWS:
            self._write()

    def _write(self) -> None:
        """Put the rows held so far into one part, in the order in which rules read them."""
        if not self._held:
            return
        rows = pl.concat(self._held)
        self._held = []
        if "occurred_at" in self.columns:
            rows = rows.sort("type", "occurred_at")
        part = self.folder / f"rows-{len(self._parts):06d}.parquet"
        rows.write_parquet(part, compression="lz4", row_group_size=100_000)
        self._parts.append(part)

    def _require(self, frame: pl.DataFrame) -> None:
        for name in TABLES[self.table].required:
            if name not in frame.columns:
                raise ContractError(f"{self.table}: the column {name!r} is missing")
            if empty := frame[name].null_count():
                raise ContractError(f"{self.table}: {empty} rows without {name!r}")

    @property
    def sql(self) -> str:
        """SQL that reads everything staged, `_order` included."""
        self._write()
        columns = listed_columns(self.columns, self.columns)
        rows = f"SELECT {columns}, {ORDER} FROM {read_parquet(map(str, self._parts))}"
        if not self._places:
            return rows
        numbered = "CASE WHEN place IS NULL THEN event_id ELSE event_id || '-' || place END AS event_id"
        return (
            f"SELECT * EXCLUDE (place) REPLACE ({numbered}) FROM ({rows}) "
            f"LEFT JOIN {read_parquet(map(str, self._places))} USING ({ORDER})"
        )

    @property
    def renumbered(self) -> bool:
        """Whether some ids are given by `sql` only."""
        return bool(self._places)

    def frames(self) -> Iterator[pl.DataFrame]:
        """The parts as they are on disk."""
        self._write()
        yield from map(pl.read_parquet, self._parts)

    def number_repeats(self, sql: DuckDBPyConnection, since: int) -> None:
        """Give the second and every further row of one event_id, among the parts from `since` on, an id of its own."""
        self._write()
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
        self._write()
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
