"""JSON Lines files: one JSON object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from automation import contracts
from automation.errors import SourceError
from automation.types.schema import TableName
from automation_sources.compression import FRAME_ROWS, open_decompressed

if TYPE_CHECKING:
    import polars as pl


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
    objects = _read_objects(path, content)
    while chunk := list(islice(objects, FRAME_ROWS)):
        names = dict.fromkeys(name for _, values in chunk for name in values)
        columns: dict[str, list[Any]] = {name: [values.get(name) for _, values in chunk] for name in names}
        columns["_row"] = [row for row, _ in chunk]
        yield columns


def _read_objects(path: Path, content: IO[bytes]) -> Iterator[tuple[int, dict[str, str | None]]]:
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    for row, line in enumerate(content, 1):
        if not line.strip():
            continue
        try:
            value = decoder.decode(line.decode("utf-8-sig").strip())
        except UnicodeDecodeError as error:
            raise SourceError(path, row, "a character is not valid UTF-8; save the file as UTF-8") from error
        except (json.JSONDecodeError, RecursionError) as error:
            raise SourceError(path, row, f"not valid JSON: {error}") from error
        if not isinstance(value, dict):
            raise SourceError(path, row, 'expected a JSON object such as {"customer_id": "17"}')
        if "_row" in value:
            raise SourceError(path, row, "the key '_row' is reserved; rename it")
        yield row, _flatten(value)


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
