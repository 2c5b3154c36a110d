"""Rows on their way into the warehouse: spooled to Parquet, so that no import is held in memory."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are quoted by `quoted`, and strings by `text`)

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from automation.errors import ContractError
from automation.types.schema import TABLES, ColumnType, TableName
from automation.warehouse.tables import POLARS_TYPES, frame_columns, listed_columns, read_parquet

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
        """Spool a frame with the required columns and any others. Raises `ContractError`."""
        kinds = frame_columns(self.table, frame)
        self._require(frame)
        if self._parts and kinds != self.columns:
            raise ContractError(f"{self.table}: a frame has other columns than the one before it")
        self.columns = kinds
        typed = frame.select(pl.col(name).cast(POLARS_TYPES[kind]) for name, kind in kinds.items())
        part = self.folder / f"{len(self._parts):06d}.parquet"
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


@contextmanager
def stage(folder: Path, table: TableName, frames: pl.DataFrame | Iterable[pl.DataFrame]) -> Iterator[Staging]:
    """Everything in `frames`, spooled below `folder` for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="import-", dir=folder))
    try:
        staging = Staging(own, table)
        for frame in [frames] if isinstance(frames, pl.DataFrame) else frames:
            if frame.height:
                staging.add(frame)
        yield staging
    finally:
        shutil.rmtree(own, ignore_errors=True)
