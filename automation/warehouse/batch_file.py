"""Parquet files whose rows stand in the order of their batch, such as a run's frozen audience."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from automation.syncing import sync_path

if TYPE_CHECKING:
    import ibis.expr.types as ir

ROW_GROUP = 10_000
BATCH = "batch"


class DamagedFile(Exception):
    """A file of a run can't be read, or has other customers than the run."""

    def __init__(self, path: Path, why: object) -> None:
        super().__init__(f"{path} is damaged: {why}")
        self.path = path


class BatchFile:
    """An open file with a column `batch` (Int32). A batch costs what its own rows cost, however many rows there are.

    Raises `DamagedFile`.
    """

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self.path = path
        try:
            self._file = parquet.ParquetFile(path)
            self._row_groups = _row_groups(self._file.metadata)
        except (OSError, ValueError) as error:
            raise DamagedFile(path, error) from error

    def batch(self, no: int) -> pl.DataFrame:
        """The rows of one batch, without the column `batch`. Raises `DamagedFile`."""
        try:
            rows = self._file.read_row_groups(self._row_groups.get(no, []))
        except (OSError, ValueError) as error:
            raise DamagedFile(self.path, error) from error
        frame = pl.from_arrow(rows)
        assert isinstance(frame, pl.DataFrame)
        return frame.filter(pl.col(BATCH) == no).drop(BATCH)

    def batches(self) -> Iterator[pl.DataFrame]:
        """Every batch from 0 to the last one that has rows."""
        return (self.batch(no) for no in range(max(self._row_groups, default=-1) + 1))


def _row_groups(metadata: Any) -> dict[int, list[int]]:
    """The row groups in which each batch has rows, by the first and last batch of each."""
    found: dict[int, list[int]] = defaultdict(list)
    column = metadata.schema.names.index(BATCH)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        batches = group.column(column).statistics
        if group.num_rows:
            for no in range(batches.min, batches.max + 1):
                found[no].append(number)
    return found


def write_batches(rows: ir.Table, order: Sequence[str], path: Path) -> None:
    """Write the rows of a local table, sorted by batch and then by `order`: all of them, or no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    rows.order_by(BATCH, *order).to_parquet(partial, row_group_size=ROW_GROUP)
    keep(partial, path)


def keep(partial: Path, path: Path) -> None:
    """Give a written file its name once its content is on the disk: a power cut leaves no half of it."""
    sync_path(partial)
    partial.replace(path)
    sync_path(path.parent)
