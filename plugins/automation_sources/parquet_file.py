"""Parquet files, as other warehouses export them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from automation import contracts
from automation.errors import SourceError
from automation.types.schema import TableName
from automation_sources.opening import FRAME_ROWS, opened

if TYPE_CHECKING:
    import polars as pl


class ParquetFile:
    """Reads `.parquet` with the file's own types: whole numbers, floats, booleans, days, and times, in UTC where they
    have a zone. Everything else is text, structures and lists as JSON. Raises `SourceError` for a file that is not
    Parquet and for binary columns.
    """

    Options: ClassVar[type[BaseModel]] = contracts.Options
    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    def __init__(self, options: contracts.Options) -> None:
        self.options = options

    def read(self, path: Path, table: TableName) -> Iterator[pl.DataFrame]:
        """Frames of at most 100,000 rows, columns as the class says, and _row Int64 from 1."""
        import polars as pl
        import pyarrow as pa
        from pyarrow import parquet

        row = 1
        with opened(path) as content, tempfile.TemporaryFile() as unzipped:
            try:
                source = parquet.ParquetFile(_seekable(content, path, unzipped), pre_buffer=False)
                for batch in source.iter_batches(FRAME_ROWS):
                    frame = pl.DataFrame(pa.Table.from_batches([batch]))
                    yield frame.select(
                        *(_read(path, name, dtype) for name, dtype in frame.schema.items()),
                        pl.int_range(row, row + frame.height, dtype=pl.Int64).alias("_row"),
                    )
                    row += frame.height
            except (pa.ArrowException, OSError) as error:
                raise SourceError(path, None, f"it can't be read as Parquet: {error}") from error


def _seekable(content: IO[bytes], path: Path, unzipped: IO[bytes]) -> IO[bytes]:
    """Parquet is read from its end: a gzipped file is unzipped to disk first."""
    if path.suffix.lower() != ".gz":
        return content
    shutil.copyfileobj(content, unzipped)
    unzipped.seek(0)
    return unzipped


def _read(path: Path, name: str, dtype: pl.DataType) -> pl.Expr:
    """The column with the type that it has or, where the contract knows no such type, as text."""
    import polars as pl

    column = pl.col(name)
    if name == "_row":
        raise SourceError(path, None, "it has a column '_row', which is reserved; rename it")
    if dtype.is_integer() or dtype in (pl.Float64, pl.Boolean, pl.Date):
        return column
    if isinstance(dtype, pl.Datetime):
        return (column if dtype.time_zone is None else column.dt.convert_time_zone("UTC")).dt.cast_time_unit("us")
    if isinstance(dtype, pl.Struct):
        return column.struct.json_encode()
    if isinstance(dtype, pl.List | pl.Array):
        return pl.struct(column).struct.json_encode().str.json_path_match(f"$['{name}']")
    if dtype in (pl.Binary, pl.Object):
        raise SourceError(path, None, f"the column {name!r} is binary; export it as text or leave it out")
    return column.cast(pl.String)
