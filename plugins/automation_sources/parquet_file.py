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
from automation_sources.limits import FRAME_BYTES, MAX_RATIO, MAX_VALUE, check_columns, check_size

if TYPE_CHECKING:
    import polars as pl
    from pyarrow import Array, DataType, RecordBatch
    from pyarrow.parquet import FileMetaData
    from pyarrow.parquet import ParquetFile as ParquetReader

_NESTED_ROWS = 10_000
"""Rows of a frame with structs or lists, whose texts are not looked at beforehand."""


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
                file = _make_seekable(content, path, buffer)
                source = parquet.ParquetFile(file, pre_buffer=False)
                check_columns(path, source.schema_arrow.names)
                _check_rows(path, source.metadata)
                for batch in _read_batches(path, file, source):
                    frame = pl.DataFrame(pa.Table.from_batches([batch]))
                    yield frame.select(
                        *(_convert_column(path, name, dtype) for name, dtype in frame.schema.items()),
                        pl.int_range(row, row + frame.height, dtype=pl.Int64).alias("_row"),
                    )
                    row += frame.height
            except (pa.ArrowException, OSError) as error:
                raise SourceError(path, None, f"not a valid Parquet file: {error}") from error


def _check_rows(path: Path, metadata: FileMetaData) -> None:
    """Refuse a file that states far more rows or bytes than it can hold: runs of one value take no room."""
    size = path.stat().st_size
    if metadata.num_rows > MAX_RATIO * 1_000 and metadata.num_rows > MAX_RATIO * size:
        raise SourceError(path, None, f"{metadata.num_rows:,} rows in {size:,} bytes: this is not a table")
    stated = sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
    check_size(path, stated, size)


def _read_batches(path: Path, file: IO[bytes], source: ParquetReader) -> Iterator[RecordBatch]:
    """Batches of at most `FRAME_ROWS` rows, and of at most about `FRAME_BYTES`.

    A text that is repeated is stored once and may be short in the file and endless in memory. Reading one row decodes a
    row group's texts that are stored in this way, so the longest of them is known before the rows are read.
    """
    import pyarrow as pa
    from pyarrow import parquet

    texts = [field.name for field in source.schema_arrow if _is_text(field.type)]
    probe = parquet.ParquetFile(file, pre_buffer=False, read_dictionary=texts) if texts else None
    for group in range(source.metadata.num_row_groups):
        longest = 1
        for row in probe.iter_batches(1, row_groups=[group], columns=texts) if probe else ():
            longest = sum(_longest_value(path, column) for column in row.columns) or 1
            break
        rows = FRAME_BYTES // longest if not any(map(pa.types.is_nested, source.schema_arrow.types)) else _NESTED_ROWS
        yield from source.iter_batches(min(FRAME_ROWS, max(1, rows)), row_groups=[group])


def _longest_value(path: Path, column: Array) -> int:
    """The bytes of the longest text that is stored once. Raises `SourceError` for one that is too long."""
    import pyarrow as pa
    from pyarrow import compute

    if not pa.types.is_dictionary(column.type) or not len(column.dictionary):
        return 0
    longest = int(compute.max(compute.binary_length(column.dictionary)).as_py() or 0)
    if longest > MAX_VALUE:
        raise SourceError(path, None, f"a value of {longest:,} bytes; at most {MAX_VALUE:,} are allowed")
    return longest


def _is_text(dtype: DataType) -> bool:
    import pyarrow as pa

    kind = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
    return bool(kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view()))


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
