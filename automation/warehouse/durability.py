"""Makes what was written to a table survive a loss of power.

The Delta writer does not sync its files. Whoever deletes the only other copy of the rows syncs them first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from automation.syncing import sync_path
from automation.types.schema import TableName


def sync_versions(folder: Path, name: TableName, *, after: int) -> None:
    """Sync the files of all versions after that number, then the log that names them, then the folders.

    after: -1 for a table that was just made. Raises `OSError`.
    """
    table, log = folder / name, folder / name / "_delta_log"
    entries = _entries(log, after)
    for entry in entries:
        for name_of_file in _added(entry):
            _sync(table / name_of_file)
    for path in (*entries, *_checkpoints(log, entries), table, log, folder):
        _sync(path)


def _entries(log: Path, after: int) -> list[Path]:
    """The log's entries after a version, the oldest first; their names are the zero-padded numbers."""
    return sorted(path for path in log.glob("*.json") if path.stem.isdigit() and int(path.stem) > after)


def _added(entry: Path) -> Iterator[str]:
    for line in entry.read_text().splitlines():
        added = json.loads(line).get("add")
        if added is not None:
            yield unquote(added["path"])


def _checkpoints(log: Path, entries: list[Path]) -> Iterator[Path]:
    for entry in entries:
        yield from log.glob(f"{entry.stem}.checkpoint*.parquet")
    last = log / "_last_checkpoint"
    if last.exists():
        yield last


def _sync(path: Path) -> None:
    with suppress(FileNotFoundError):  # merged into another file and swept meanwhile
        sync_path(path)
