"""Damage to the warehouse's files, found without reading their rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from automation.types.schema import TABLES, TableName
from automation.warehouse.tables import table_version


def find_damage(folder: Path) -> list[str]:
    """One sentence for each table that is not as its log says; a table that was never written is in order."""
    return [f"{name}: {what}" for name in TABLES if (what := _damage(folder, name)) is not None]


def _damage(folder: Path, name: TableName) -> str | None:
    path = folder / name
    if not (path / "_delta_log").is_dir():
        return "its log (_delta_log) is missing" if path.is_dir() and any(path.iterdir()) else None
    try:
        files = table_version(folder, name).files
    except Exception as error:  # whatever the library says of a broken log
        return f"its log can't be read: {str(error).splitlines()[0]}"
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        return f"{len(missing):,} of {len(files):,} files are missing, such as {Path(missing[0]).name}"
    damaged = [file for file in files if not _has_footer(file)]
    return f"{len(damaged):,} of {len(files):,} files are damaged, such as {damaged[0]}" if damaged else None


def _has_footer(file: str) -> bool:
    """Whether the file's description, which stands at its end, can be read; 0.1 ms."""
    try:
        parquet.read_metadata(file)
    except (OSError, pa.ArrowException):
        return False
    return True
