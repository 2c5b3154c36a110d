"""Sources for files that a shop exports: CSV, JSON Lines and Parquet, also compressed with gzip."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from automation.hookspecs import hookimpl

if TYPE_CHECKING:
    from automation.contracts import Source


@hookimpl
def register_sources(register: Callable[[str, type[Source]], None]) -> None:
    from automation_sources.csv_file import CsvFile
    from automation_sources.json_lines import JsonLines
    from automation_sources.parquet_file import ParquetFile

    register("csv", CsvFile)
    register("json_lines", JsonLines)
    register("parquet", ParquetFile)
