"""Rows staged for the warehouse: spooled to Parquet, so that no import is held in memory."""

# ruff: noqa: S608 (SQL can't take names as parameters: they are quoted by `quoted`, and strings by `text`)

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from automation.contracts.columns import POLARS_TYPES
from automation.errors import ContractError
from automation.types.plural import format_count
from automation.types.schema import TABLES, ColumnType, TableName
from automation.warehouse.importing.repeats import Ids
from automation.warehouse.tables import frame_columns, listed_columns, read_parquet, table_version

# Most rules skip row groups of another type or time: see docs/explanation/file-layout.md.
# A million rows are sorted at a time: sorting 20 M at once took about a minute.
# 100,000 rows a row group: small enough to skip by time, and to keep a writer's memory near 50 MB.
_PART_ROWS = 1_000_000
ROW_GROUP = 100_000
ORDER = "_order"  # the row's number among everything staged, by which the last one wins
PLACE = "_place"  # of an event: its file's number in the import, and its row there
_FILE = 2**40
_PLACES_KEPT = 10


class Staging(ABC):
    """A folder of Parquet parts with one set of columns; `rows` counts the added ones.

    A part is written while the next one is read and cleaned, which takes about as long.
    """

    def __init__(self, folder: Path, table: TableName) -> None:
        self.folder = folder
        self.table = table
        self.columns: dict[str, ColumnType] = {}
        self.rows = 0
        self._held: list[pl.DataFrame] = []
        self._held_rows = 0
        self._parts: list[Path] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="staging")
        self._writing: Future[None] | None = None

    def add(self, frame: pl.DataFrame, places: pl.Series | None = None) -> None:
        """Spool a frame with the required columns and any others; an empty one is ignored. Raises `ContractError`.

        places: where each row comes from (`place_of`), for those that repeat an earlier one.
        """
        if not frame.height:
            return
        kinds = frame_columns(self.table, frame)
        self._require(frame)
        if self.columns and kinds != self.columns:
            raise ContractError(f"{self.table}: a frame has other columns than the one before it")
        self.columns = kinds
        typed = frame.select(pl.col(name).cast(POLARS_TYPES[kind]) for name, kind in kinds.items())
        if places is not None:
            typed = typed.with_columns(places.alias(PLACE))
        self._held.append(typed.with_row_index(ORDER, self.rows))
        self.rows += frame.height
        self._held_rows += frame.height
        if self._held_rows >= _PART_ROWS:
            self._wait()
            self._writing = self._writer.submit(self._write, self._take())

    @property
    def parts(self) -> list[Path]:
        """The files with all added rows."""
        self._wait()
        if self._held:
            self._write(self._take())
        return self._parts

    def close(self) -> None:
        """Wait for the part that is being written, even if that fails, and remove the folder."""
        self._writer.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def _write(self, rows: list[pl.DataFrame]) -> None:
        """Write the rows into one part, unless none of them is kept."""

    def _take(self) -> list[pl.DataFrame]:
        held, self._held, self._held_rows = self._held, [], 0
        return held

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()
            self._writing = None

    def _next(self) -> Path:
        self._parts.append(self.folder / f"rows-{len(self._parts):06d}.parquet")
        return self._parts[-1]

    def _require(self, frame: pl.DataFrame) -> None:
        for name in TABLES[self.table].required:
            if name not in frame.columns:
                raise ContractError(f"{self.table}: the column {name!r} is missing")
            if empty := frame[name].null_count():
                raise ContractError(f"{self.table}: {format_count(empty, 'row')} without {name!r}")


def place_of(file: int, rows: pl.Series) -> pl.Series:
    """The places of a file's rows; file: its number among the import's files."""
    return rows.cast(pl.Int64) + file * _FILE


class StagedRecords(Staging):
    """Customers or products in any order, with `ORDER`."""

    @property
    def sql(self) -> str:
        """SQL that reads everything staged, `_order` included."""
        return f"SELECT {listed_columns(self.columns, self.columns)}, {ORDER} FROM {read_parquet(map(str, self.parts))}"

    def _write(self, rows: list[pl.DataFrame]) -> None:
        pl.concat(rows).write_parquet(self._next(), compression="lz4", row_group_size=ROW_GROUP)


class StagedEvents(Staging):
    """Events, the first of each id, in files with the table's columns that can become part of the table as they are.

    `fresh` counts the rows in them. Measured on 2 M rows: spooling, searching for repeated ids and writing again took
    as long as reading, cleaning and writing take now.
    """

    def __init__(self, folder: Path, known: Mapping[str, ColumnType]) -> None:
        super().__init__(folder, "events")
        self.fresh = 0
        self.repeated = 0
        """Rows with the id of an earlier staged one; `repeated_at` are the file and the row of the first of them."""
        self.repeated_at: list[tuple[int, int]] = []
        self._known = known
        self._ids: Ids | None = None

    @property
    def stored(self) -> Mapping[str, ColumnType]:
        """The columns that the parts have."""
        return {**self._known, **self.columns}

    def _write(self, rows: list[pl.DataFrame]) -> None:
        events = pl.concat(rows)
        rows.clear()
        self._ids = self._ids or Ids()
        again = self._ids.add(events["event_id"])
        if again.any():
            self._note(events.filter(again))
            events = events.filter(~again)
        if events.height:
            self.fresh += events.height
            # in the order in which rules read them
            events = filled(events, self.stored).sort("type", "occurred_at")
            events.write_parquet(self._next(), compression="zstd", compression_level=1, row_group_size=ROW_GROUP)

    def _note(self, repeated: pl.DataFrame) -> None:
        self.repeated += repeated.height
        if PLACE in repeated.columns:
            places = repeated[PLACE].head(_PLACES_KEPT - len(self.repeated_at)).to_list()
            self.repeated_at += [divmod(place, _FILE) for place in places]


def filled(events: pl.DataFrame, columns: Mapping[str, ColumnType]) -> pl.DataFrame:
    """These columns; those that the frame lacks are null."""
    return events.select(
        (pl.col(name) if name in events.columns else pl.lit(None).alias(name)).cast(POLARS_TYPES[kind])
        for name, kind in columns.items()
    )


@contextmanager
def stage(folder: Path, table: TableName) -> Iterator[Staging]:
    """A staging folder below `folder`, a folder of the warehouse; it is removed at the end of the context."""
    folder.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="import-", dir=folder))
    columns = table_version(folder.parent, table).columns
    staged = StagedEvents(own, columns) if table == "events" else StagedRecords(own, table)
    try:
        yield staged
    finally:
        staged.close()
