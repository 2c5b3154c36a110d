"""How much one file may hold, whatever it was compressed to: a bomb is an error, not the end of the process."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from automation.errors import SourceError

MAX_COLUMNS = 2_000
MAX_VALUE = 4 << 20
"""Bytes of one value, or of one line of JSON."""
FRAME_BYTES = 256 << 20
"""Bytes of a frame, which may have fewer rows because of it."""
MAX_RATIO = 300
"""How many times its compressed size a file may have: exports have 5 to 50, a bomb has a thousand."""
FREE_BYTES = 256 << 20
"""What any file may have, at any ratio."""


def check_columns(path: Path, names: Collection[str], row: int | None = None) -> None:
    """Raise `SourceError` where there are more columns than a table can have."""
    if len(names) > MAX_COLUMNS:
        raise SourceError(path, row, f"{len(names):,} columns; at most {MAX_COLUMNS:,} are allowed")


def check_size(path: Path, size: int, compressed: int) -> None:
    """Raise `SourceError` where the content is out of proportion to the file."""
    if size > FREE_BYTES and size > MAX_RATIO * max(compressed, 1):
        raise SourceError(
            path,
            None,
            f"the content is more than {MAX_RATIO} times as large as the compressed file; decompress it yourself, "
            "look at it, and import it uncompressed",
        )
