"""Parquet files."""

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
from automation_sources.compression import FRAME_ROWS, open_decompressed

if TYPE_CHECKING:
    import polars as pl


class ParquetFile:
    """Reads `.parquet` files. Integers, floats, booleans, dates and times keep their types; times with a time zone are
    converted to UTC. Structs and lists become JSON text, all other types text. Raises `SourceError` for a file that is
    not valid Parquet, for binary columns and for a column `_row`.
    """

    Options: ClassVar[type[BaseModel]] = contracts.Options
    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    def __init__(self, options: contracts.Options) -> None:
        self.options = options

    def read(self, path: Path, table: TableName) -> Iterator[pl.DataFrame]:
        """Frames of at most 100,000 rows, columns with the types described above, and _row Int64 from 1."""
        import polars as pl
        import pyarrow as pa
        from pyarrow import parquet

        row = 1
        with open_decompressed(path) as content, tempfile.TemporaryFile() as buffer:
            try:
                source = parquet.ParquetFile(_make_seekable(content, path, buffer), pre_buffer=False)
                for batch in source.iter_batches(FRAME_ROWS):
                    frame = pl.DataFrame(pa.Table.from_batches([batch]))
                    yield frame.select(
                        *(_convert_column(path, name, dtype) for name, dtype in frame.schema.items()),
                        pl.int_range(row, row + frame.height, dtype=pl.Int64).alias("_row"),
                    )
                    row += frame.height
            except (pa.ArrowException, OSError) as error:
                raise SourceError(path, None, f"not a valid Parquet file: {error}") from error


def _make_seekable(content: IO[bytes], path: Path, buffer: IO[bytes]) -> IO[bytes]:
    """Parquet needs random access, so a gzip file is first decompressed to a temporary file."""
    if path.suffix.lower() != ".gz":
        return content
    shutil.copyfileobj(content, buffer)
    buffer.seek(0)
    return buffer


def _convert_column(path: Path, name: str, dtype: pl.DataType) -> pl.Expr:
    """The column with its own type or, if the contract has no such type, as text."""
    import polars as pl

    column = pl.col(name)
    if name == "_row":
        raise SourceError(path, None, "the column name '_row' is reserved; rename the column")
    if dtype.is_integer() or dtype in (pl.Float64, pl.Boolean, pl.Date):
        return column
    if isinstance(dtype, pl.Datetime):
        return (column if dtype.time_zone is None else column.dt.convert_time_zone("UTC")).dt.cast_time_unit("us")
    if isinstance(dtype, pl.Struct):
        return column.struct.json_encode()
    if isinstance(dtype, pl.List | pl.Array):
        return pl.struct(column).struct.json_encode().str.json_path_match(f"$['{name}']")
    if dtype in (pl.Binary, pl.Object):
        raise SourceError(path, None, f"the column {name!r} is binary; export it as text or remove it")
    return column.cast(pl.String)
