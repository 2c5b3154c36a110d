"""A file format that imports read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from automation.contracts.component import Component
from automation.types.schema import TableName

if TYPE_CHECKING:
    import polars as pl


@runtime_checkable
class Source(Component, Protocol):
    """Reads files of one format.

    suffixes: lower case, such as ('.csv',); the core chooses the source by the file's suffix, after removing `.gz`.
    """

    suffixes: ClassVar[tuple[str, ...]]

    def read(self, path: Path, table: TableName) -> Iterator[pl.DataFrame]:
        """The file in frames of 1 to 100,000 rows: its columns, and _row Int64, counted from 1. Raises `SourceError`.

        A column is String, unparsed. Where the format itself states the type, a column may be an integer, Float64,
        Boolean, Date, Datetime("us") for local time, or Datetime("us", "UTC").
        """
        ...
