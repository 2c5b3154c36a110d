"""CSV files, as spreadsheets and shop systems write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, field_validator

from automation.contracts import Options
from automation.errors import SourceError
from automation.types.schema import TableName
from automation_sources.compression import FRAME_ROWS, open_decompressed
from automation_sources.limits import FRAME_BYTES, check_columns

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_SEPARATORS = ",;\t|"
_HEADER_BYTES = 1_000_000


class CsvOptions(Options):
    """separator: by default the one of comma, semicolon, tab and | that is most frequent in the header line.

    encoding: any encoding that Python supports, such as windows-1252. A UTF-8 byte order mark is skipped.
    """

    separator: Literal[",", ";", "\t", "|"] | None = None
    encoding: str = "utf-8"

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, name: str) -> str:
        try:
            "".encode(name)
        except LookupError as error:
            raise ValueError(f"{name!r} is not an encoding; write utf-8, windows-1252, latin-1 or utf-16") from error
        return name


class CsvFile:
    """Reads `.csv` and `.tsv` files: a header line, quotes as in RFC 4180, line breaks allowed inside quotes.

    Values are not changed; an empty field is an empty string. Raises `SourceError` for a duplicate column name, a line
    with more or fewer fields than the header, an unclosed quotation mark, and text in another encoding.
    """

    Options: ClassVar[type[BaseModel]] = CsvOptions
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")

    def __init__(self, options: CsvOptions) -> None:
        self.options = options

    def read(self, path: Path, table: TableName) -> Iterator[pl.DataFrame]:
        """Frames of at most 100,000 rows, every column String, and _row Int64 from 1 (the header is not a row)."""
        import polars as pl

        names, separator = self._header(path)
        row = 1
        with open_decompressed(path) as raw, _QuoteCounter(raw) as content:
            for batch in _fill_frames(self._batches(path, content, names, separator)):
                frame = pl.DataFrame(batch)
                yield frame.with_columns(pl.int_range(row, row + frame.height, dtype=pl.Int64).alias("_row"))
                row += frame.height
            if content.odd and (error := self._find_error(path, separator)) is not None:
                raise error

    def _header(self, path: Path) -> tuple[list[str], str]:
        with open_decompressed(path) as content:
            start = content.read(_HEADER_BYTES)
        if start[:2] in {b"\xff\xfe", b"\xfe\xff"} and not self.options.encoding.lower().startswith("utf-16"):
            raise SourceError(
                path, None, "the encoding is UTF-16; save the file as UTF-8, or set options: {encoding: utf-16}"
            )
        text = start.decode(self.options.encoding, errors="replace").removeprefix("\ufeff")
        if not text.strip():
            raise SourceError(path, None, "the file is empty; the first line must contain the column names")
        separator: str = self.options.separator or ","
        if self.options.separator is None:
            separator = max(_SEPARATORS, key=text.splitlines()[0].count)
        try:
            names = next(csv.reader(io.StringIO(text), delimiter=separator))
        except csv.Error as error:
            raise SourceError(
                path, None, f"the header can't be read: {error}; is a quotation mark not closed?"
            ) from error
        check_columns(path, names)
        duplicate = next((name for index, name in enumerate(names) if name in names[:index]), None)
        if duplicate is not None:
            raise SourceError(path, None, f"the header contains the column {duplicate!r} twice")
        if "_row" in names:
            raise SourceError(path, None, "the column name '_row' is reserved; rename the column")
        return names, separator

    def _batches(self, path: Path, content: io.RawIOBase, names: list[str], separator: str) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        invalid_rows: list[str] = []

        def refuse(row: arrow_csv.InvalidRow) -> str:
            invalid_rows.append(
                f"{row.actual_columns} fields, but the header has {row.expected_columns}: {row.text[:80]}"
            )
            return "error"

        try:
            yield from arrow_csv.open_csv(
                content,
                arrow_csv.ReadOptions(
                    use_threads=False, encoding=self.options.encoding, column_names=names, skip_rows_after_names=1
                ),
                arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=refuse),
                arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.large_string()), strings_can_be_null=False
                ),
            )
        except (pa.ArrowInvalid, UnicodeError) as error:
            detail = invalid_rows[0] if invalid_rows else f"not a valid CSV file: {error}"
            raise self._find_error(path, separator) or SourceError(path, None, detail) from error

    def _find_error(self, path: Path, separator: str) -> SourceError | None:
        """The first error with its row, found by reading the file again with Python's slower parser."""
        with open_decompressed(path) as content:
            text = io.TextIOWrapper(content, self.options.encoding, newline="")
            row, width = 0, 0
            try:
                lines = filter(None, csv.reader(text, delimiter=separator, strict=True))
                for row, fields in enumerate(lines):
                    width = width or len(fields)
                    if len(fields) != width:
                        return SourceError(path, row, f"{len(fields)} fields, but the header has {width}")
            except UnicodeError:
                return SourceError(path, row + 1, _describe_encoding_error(self.options.encoding))
            except csv.Error as error:
                return SourceError(path, row + 1, f"{error}; is a quotation mark not closed?")
        return None


class _QuoteCounter(io.RawIOBase):
    """Notices an odd number of quotation marks: Arrow reads everything after an unclosed one as one value."""

    def __init__(self, content: IO[bytes]) -> None:
        self.content = content
        self.odd = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.content.read(size)
        self.odd ^= bool(data.count(b'"') % 2)
        return data


def _describe_encoding_error(encoding: str) -> str:
    return f"a character is not valid {encoding}; save the file as UTF-8, or set its encoding: options: {{encoding: …}}"


def _fill_frames(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Combine Arrow's batches of about a megabyte into tables of `FRAME_ROWS` rows, or of fewer very long ones."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, FRAME_ROWS - rows)
            held.append(part)
            rows += part.num_rows
            size += part.nbytes
            start += part.num_rows
            if rows == FRAME_ROWS or size >= FRAME_BYTES:
                yield pa.Table.from_batches(held)
                held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)
