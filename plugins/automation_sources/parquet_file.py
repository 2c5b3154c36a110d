"""Parquet files."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from automation import contracts
from automation.errors import SourceError
from automation.types.schema import TableName
from automation_sources.compression import FRAME_ROWS, open_decompressed
from automation_sources.limits import FRAME_BYTES, MAX_RATIO, MAX_VALUE, check_columns, check_size
from automation_sources.nested_values import is_text, leaves, make_storable, measure

if TYPE_CHECKING:
    import polars as pl
    from pyarrow import Array, DataType, RecordBatch
    from pyarrow.parquet import FileMetaData, ParquetSchema
    from pyarrow.parquet import ParquetFile as ParquetReader


class ParquetFile:
    """Reads `.parquet` files. Integers, floats, booleans, dates and times keep their types; times with a time zone are
    converted to UTC. Structs, lists and maps become JSON text, all other types text; of a text that is not UTF-8 the
    wrong bytes become U+FFFD. Raises `SourceError` for a file that is not valid Parquet, for binary columns and for a
    column `_row`.
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
                _check_rows(path, source.metadata, source.schema)
                for batch in _read_batches(path, file, source):
                    plain = [make_storable(column) for column in batch.columns]
                    frame = pl.DataFrame(pa.Table.from_arrays(plain, names=batch.schema.names))
                    yield frame.select(
                        *(_convert_column(path, name, dtype) for name, dtype in frame.schema.items()),
                        pl.int_range(row, row + frame.height, dtype=pl.Int64).alias("_row"),
                    )
                    row += frame.height
            except (pa.ArrowException, OSError) as error:
                raise SourceError(path, None, f"not a valid Parquet file: {error}") from error


def _check_rows(path: Path, metadata: FileMetaData, schema: ParquetSchema) -> None:
    """Refuse a file that states far more rows, values or bytes than it can hold: runs of one value take no room."""
    size = path.stat().st_size
    if metadata.num_rows > MAX_RATIO * 1_000 and metadata.num_rows > MAX_RATIO * size:
        raise SourceError(path, None, f"{metadata.num_rows:,} rows in {size:,} bytes: this is not a table")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    check_size(path, sum(group.total_byte_size for group in groups), size)
    most = FRAME_BYTES // 4  # as many fit into memory where each is stored once
    repeated = [number for number in range(len(schema)) if schema.column(number).max_repetition_level]
    for group in groups:
        for number in repeated:
            if (found := group.column(number).num_values) > most:
                what = (
                    f"{found:,} values of {schema.column(number).path!r} in one row group; at most {most:,} are allowed"
                )
                raise SourceError(path, None, what)


def _read_batches(path: Path, file: IO[bytes], source: ParquetReader) -> Iterator[RecordBatch]:
    """Batches of at most `FRAME_ROWS` rows, and of at most about `FRAME_BYTES`.

    A text that is repeated is stored once and may be short in the file and endless in memory. So the texts are looked
    at as they are stored before any row is read: reading one row decodes all that a row group stores once. What is in
    structs and lists is looked at row by row, since a row may repeat a text any number of times.
    """
    import pyarrow as pa
    from pyarrow import parquet

    texts = [field.name for field in source.schema_arrow if _is_text(field.type)]
    nested = [field.name for field in source.schema_arrow if pa.types.is_nested(field.type)]
    probe = None
    if texts or nested:
        probe = parquet.ParquetFile(file, pre_buffer=False, read_dictionary=_text_paths(path, source.schema))
    row = 1
    for group in range(source.metadata.num_row_groups):
        longest = 1
        for one in probe.iter_batches(1, row_groups=[group], columns=texts) if probe and texts else ():
            longest = sum(_longest_value(path, column) for column in one.columns) or 1
            break
        if probe and nested:
            longest += _longest_nested(path, probe.iter_batches(FRAME_ROWS, row_groups=[group], columns=nested), row)
        row += source.metadata.row_group(group).num_rows
        yield from source.iter_batches(min(FRAME_ROWS, max(1, FRAME_BYTES // longest)), row_groups=[group])


def _text_paths(path: Path, schema: ParquetSchema) -> list[str]:
    """The paths of all columns that hold texts, also inside structs and lists. Raises `SourceError` for one that two
    columns have, since only one of them would be looked at."""
    columns = [schema.column(number) for number in range(len(schema))]
    paths = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    if repeated := next((one for one, n in Counter(paths).items() if n > 1), None):
        raise SourceError(path, None, f"two columns are called {repeated!r}; rename one")
    return paths


def _longest_nested(path: Path, batches: Iterable[RecordBatch], row: int) -> int:
    """The bytes of the longest row's structs and lists as JSON text. Raises `SourceError` for what no frame can hold;
    anything shorter is left to the import, which refuses the row alone."""
    import numpy as np

    longest = 0
    for batch in batches:
        for column in batch.columns:
            for leaf in leaves(column):
                _longest_value(path, leaf)
        sizes = np.zeros(batch.num_rows, dtype=np.int64)
        for column in batch.columns:
            sizes += measure(column)
        largest = int(sizes.max(initial=0)) if batch.num_rows else 0
        if largest > FRAME_BYTES:
            what = f"its lists and structs take {largest:,} bytes; at most {FRAME_BYTES:,} are allowed"
            raise SourceError(path, row + int(sizes.argmax()), what)
        longest, row = max(longest, largest), row + batch.num_rows
    return longest


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

    return is_text(dtype.value_type if pa.types.is_dictionary(dtype) else dtype)


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
