"""What every source must do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from automation.contracts import Source
from automation.errors import SourceError
from automation.types.schema import TableName

_MOST_ROWS = 100_000
_TYPES = (pl.String(), pl.Float64(), pl.Boolean(), pl.Date(), pl.Datetime("us"), pl.Datetime("us", "UTC"))


def check_source(
    source: Source,
    path: Path,
    rows: Sequence[Mapping[str, object]],
    *,
    table: TableName = "events",
) -> None:
    """Read `path` and compare with `rows`: text as it stands in the file, or what its own types mean, a key per column
    that has a value.

    Checked: suffixes; frames of 1 to 100,000 rows whose columns have one of the contract's types, beside _row Int64,
    which rises from 1 without repeating; the values; that reading again gives the same; that a missing file and a
    folder raise `SourceError`. Raises AssertionError.
    """
    assert source.suffixes, "a source names at least one suffix"
    for suffix in source.suffixes:
        assert suffix.startswith("."), f"the suffix {suffix!r} must start with a dot"
        assert suffix == suffix.lower(), f"the suffix {suffix!r} must be in lower case"
        assert suffix != ".gz", "the core removes .gz before it looks for a source"
    frames = list(source.read(path, table))
    for frame in frames:
        check_frame(frame)
    read = [row for frame in frames for row in frame.iter_rows(named=True)]
    numbers = [row.pop("_row") for row in read]
    assert numbers == sorted(set(numbers)), "_row must rise and not repeat"
    assert not numbers or numbers[0] >= 1, "_row counts from 1"
    assert [_present(row) for row in read] == [_present(row) for row in rows]
    again = list(source.read(path, table))
    assert len(again) == len(frames), "reading again gives another number of frames"
    assert all(map(pl.DataFrame.equals, again, frames)), "reading again gives other values"
    for broken, what in ((path.with_name("no-such-file" + path.name), "a missing file"), (path.parent, "a folder")):
        try:
            list(source.read(broken, table))
        except SourceError:
            continue
        raise AssertionError(f"{what} must raise SourceError")


def check_frame(frame: pl.DataFrame) -> None:
    """One frame of a source: its size and types. Raises AssertionError."""
    assert 1 <= frame.height <= _MOST_ROWS, f"a frame has {frame.height} rows; 1 to {_MOST_ROWS} are allowed"
    assert frame.schema.get("_row") == pl.Int64(), "_row must be Int64"
    wrong = [name for name, dtype in frame.schema.items() if dtype not in _TYPES and not dtype.is_integer()]
    assert not wrong, f"columns whose type a source doesn't give: {wrong}"


def _present(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value is not None}
