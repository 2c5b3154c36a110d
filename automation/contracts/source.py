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
    """Reads files of one format. `suffixes` such as ('.csv',); the core opens by suffix, `.gz` removed first."""

    suffixes: ClassVar[tuple[str, ...]]

    def read(self, path: Path, table: TableName) -> Iterator[pl.DataFrame]:
        """At most 100,000 rows a frame: the file's columns, and _row Int64 from 1. Raises `SourceError`.

        A column is String, as raw as it stands in the file; where the format itself states the type it may be an
        integer, Float64, Boolean, Date, Datetime("us") for local time, or Datetime("us", "UTC").
        """
        ...
