"""JSON Lines files: one JSON object on each line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from automation import contracts
from automation.errors import SourceError
from automation.types.schema import TableName
from automation.types.text import storable_values
from automation_sources.compression import FRAME_ROWS, open_decompressed
from automation_sources.limits import FRAME_BYTES, MAX_VALUE, check_columns

if TYPE_CHECKING:
    import polars as pl

_CELLS = 20_000_000
_HALF_WRITTEN = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


class JsonLines:
    """Reads `.jsonl` and `.ndjson` files: one JSON object on each line. Blank lines are skipped, but count as rows.

    Numbers keep their digits. A nested object becomes columns with a dot (`address.city`), a list becomes JSON text.
    Raises `SourceError` with the row for a line that is not a JSON object in UTF-8.
    """

    Options: ClassVar[type[BaseModel]] = contracts.Options
    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".ndjson")

    def __init__(self, options: contracts.Options) -> None:
        self.options = options

    def read(self, path: Path, table: TableName) -> Iterator[pl.DataFrame]:
        """Frames of at most 100,000 rows, every column String, and _row Int64, the line number from 1."""
        import polars as pl

        with open_decompressed(path) as content:
            for frame in _read_frames(path, content):
                columns = {name: pl.Series(name, values, pl.String) for name, values in frame.items() if name != "_row"}
                yield pl.DataFrame({**columns, "_row": pl.Series("_row", frame["_row"], pl.Int64)})


def _read_frames(path: Path, content: IO[bytes]) -> Iterator[dict[str, list[Any]]]:
    chunk: list[tuple[int, Mapping[str, str | None]]] = []
    names: dict[str, None] = {}
    size = 0
    for row, length, values in _read_objects(path, content):
        if not names.keys() >= values.keys():
            names.update(dict.fromkeys(values))
            check_columns(path, names, row)
        chunk.append((row, values))
        size += length
        if len(chunk) == FRAME_ROWS or size >= FRAME_BYTES or len(chunk) * len(names) >= _CELLS:
            yield _columns(chunk, names)
            chunk, names, size = [], {}, 0
    if chunk:
        yield _columns(chunk, names)


def _columns(chunk: Sequence[tuple[int, Mapping[str, str | None]]], names: Iterable[str]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [values.get(name) for _, values in chunk] for name in names}
    columns["_row"] = [row for row, _ in chunk]
    return columns


def _read_objects(path: Path, content: IO[bytes]) -> Iterator[tuple[int, int, dict[str, str | None]]]:
    """Row, length in bytes, and values of each line."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    for row, line in enumerate(iter(lambda: content.readline(MAX_VALUE + 1), b""), 1):
        if len(line) > MAX_VALUE:
            raise SourceError(path, row, f"the line is longer than {MAX_VALUE >> 20} MB")
        if not line.strip():
            continue
        try:
            value = decoder.decode(line.decode("utf-8-sig").strip())
            if b"\\u0000" in line:  # a list becomes JSON text, in which NUL would be written like this again
                value = storable_values(value)
            flat = _flatten(value) if isinstance(value, dict) else None
        except UnicodeDecodeError as error:
            raise SourceError(path, row, "a character is not valid UTF-8; save the file as UTF-8") from error
        except (json.JSONDecodeError, RecursionError) as error:
            raise SourceError(path, row, f"not valid JSON: {error}") from error
        if flat is None:
            raise SourceError(path, row, 'expected a JSON object such as {"customer_id": "17"}')
        if "_row" in value:
            raise SourceError(path, row, "the key '_row' is reserved; rename it")
        yield row, len(line), _whole(flat) if _HALF_WRITTEN.search(line) else flat


def _whole(flat: Mapping[str, str | None]) -> dict[str, str | None]:
    """Half characters (lone surrogates) as U+FFFD: JSON can write them, and no text can hold them."""
    return {
        _HALF.sub("\ufffd", name): None if value is None else _HALF.sub("\ufffd", value) for name, value in flat.items()
    }


def _flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, str | None]:
    flat: dict[str, str | None] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            flat.update(_flatten(item, f"{prefix}{name}."))
        elif item is None or isinstance(item, str):
            flat[prefix + name] = item
        elif isinstance(item, bool):
            flat[prefix + name] = "true" if item else "false"
        else:
            flat[prefix + name] = json.dumps(item, ensure_ascii=False)
    return flat
