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
from automation_sources.opening import FRAME_ROWS, opened

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_SEPARATORS = ",;\t|"
_HEADER_BYTES = 1_000_000


class CsvOptions(Options):
    """`separator`: by default whichever of comma, semicolon, tab and | the header line has most of.

    `encoding`: any codec that Python knows, such as windows-1252; a UTF-8 byte order mark is skipped.
    """

    separator: Literal[",", ";", "\t", "|"] | None = None
    encoding: str = "utf-8"

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            "".encode(name)
        except LookupError as error:
            raise ValueError(f"{name!r} is not an encoding; write utf-8, windows-1252, latin-1 or utf-16") from error
        return name


class CsvFile:
    """Reads `.csv` and `.tsv`: a header line, quotes as RFC 4180 has them, line breaks allowed inside quotes.

    Every value is given as it stands in the file; an empty field is an empty string. Raises `SourceError` for a header
    with two equal names, a line with more or fewer fields than the header, and text that is not in the encoding.
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
        with opened(path) as bytes_, _Quotes(bytes_) as content:
            for batch in _whole_frames(self._batches(path, content, names, separator)):
                frame = pl.DataFrame(batch)
                yield frame.with_columns(pl.int_range(row, row + frame.height, dtype=pl.Int64).alias("_row"))
                row += frame.height
            if content.odd and (fault := self._fault(path, separator)) is not None:
                raise fault

    def _header(self, path: Path) -> tuple[list[str], str]:
        with opened(path) as content:
            start = content.read(_HEADER_BYTES)
        if start[:2] in {b"\xff\xfe", b"\xfe\xff"} and not self.options.encoding.lower().startswith("utf-16"):
            raise SourceError(path, None, "it is UTF-16; save it as UTF-8, or set options: {encoding: utf-16}")
        text = start.decode(self.options.encoding, errors="replace").removeprefix("\ufeff")
        if not text.strip():
            raise SourceError(path, None, "it is empty; the first line must name the columns")
        separator: str = self.options.separator or ","
        if self.options.separator is None:
            separator = max(_SEPARATORS, key=text.splitlines()[0].count)
        names = next(csv.reader(io.StringIO(text), delimiter=separator))
        twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
        if twice is not None:
            raise SourceError(path, None, f"the header names the column {twice!r} twice")
        if "_row" in names:
            raise SourceError(path, None, "the header has a column '_row', which is reserved; rename it")
        return names, separator

    def _batches(self, path: Path, content: io.RawIOBase, names: list[str], separator: str) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        ragged: list[str] = []

        def refuse(row: arrow_csv.InvalidRow) -> str:
            ragged.append(f"{row.actual_columns} fields where the header has {row.expected_columns}: {row.text[:80]}")
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
            unknown = SourceError(path, None, ragged[0] if ragged else f"it can't be read as CSV: {error}")
            raise self._fault(path, separator) or unknown from error

    def _fault(self, path: Path, separator: str) -> SourceError | None:
        """The first fault with its row: found by reading the file once more, slowly."""
        with opened(path) as content:
            text = io.TextIOWrapper(content, self.options.encoding, newline="")
            row, width = 0, 0
            try:
                lines = filter(None, csv.reader(text, delimiter=separator, strict=True))
                for row, fields in enumerate(lines):
                    width = width or len(fields)
                    if len(fields) != width:
                        return SourceError(path, row, f"{len(fields)} fields where the header has {width}")
            except UnicodeError:
                return SourceError(path, row + 1, _wrong_encoding(self.options.encoding))
            except csv.Error as fault:
                return SourceError(path, row + 1, f"{fault}; is a quotation mark not closed?")
        return None


class _Quotes(io.RawIOBase):
    """Counts quotation marks as they pass: Arrow takes one that is never closed for the rest of the file."""

    def __init__(self, content: IO[bytes]) -> None:
        self.content = content
        self.odd = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self.content.read(size)
        self.odd ^= bool(data.count(b'"') % 2)
        return data


def _wrong_encoding(encoding: str) -> str:
    return f"a character is not {encoding}; save the file as UTF-8, or name its encoding in options: {{encoding: …}}"


def _whole_frames(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Arrow reads a megabyte at a time; gathered to as many rows as a frame may have, for fewer and larger steps."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, FRAME_ROWS - rows)
            held.append(part)
            rows += part.num_rows
            start += part.num_rows
            if rows == FRAME_ROWS:
                yield pa.Table.from_batches(held)
                held, rows = [], 0
    if held:
        yield pa.Table.from_batches(held)
