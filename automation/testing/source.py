"""What every source must do, as one call: `check_source(MySource(MySource.Options()), path, rows)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from automation.contracts import Source
from automation.contracts.answers import check_rows
from automation.errors import SourceError
from automation.testing.promises import check_light_import, check_options, keep, require
from automation.types.schema import TableName


def check_source(
    source: Source,
    path: Path,
    rows: Sequence[Mapping[str, object]],
    *,
    table: TableName = "events",
) -> None:
    """Assert the contract of `automation.contracts.Source`: read `path` and compare with `rows`.

    rows: one mapping a row, with a key for each column that has a value: the file's text, or a value of the type that
    the format itself states.

    Checked: options are frozen and strict; the module imports nothing heavy; suffixes; frames of 1 to 100,000 rows
    whose columns have one of the contract's types, beside _row Int64, which rises from 1 without repeating; the values;
    that reading again gives the same; that a missing file and a folder raise `SourceError`. Raises AssertionError,
    saying which of these is broken.
    """
    check_options(type(source))
    check_light_import(type(source))
    _check_suffixes(source.suffixes)
    frames = list(source.read(path, table))
    for frame in frames:
        keep(check_rows, frame, f"source {type(source).__name__}")
    read = [row for frame in frames for row in frame.iter_rows(named=True)]
    numbers = [row.pop("_row") for row in read]
    require(numbers == sorted(set(numbers)), "_row must rise and not repeat")
    require(not numbers or numbers[0] >= 1, "_row counts from 1")
    found, wanted = [_present(row) for row in read], [_present(row) for row in rows]
    require(found == wanted, f"expected the rows {wanted}, read {found}")
    again = list(source.read(path, table))
    require(len(again) == len(frames), "reading again returned another number of frames")
    require(all(map(pl.DataFrame.equals, again, frames)), "reading again returned other values")
    for broken, what in ((path.with_name("no-such-file" + path.name), "a missing file"), (path.parent, "a folder")):
        try:
            list(source.read(broken, table))
        except SourceError:
            continue
        raise AssertionError(f"{what} must raise SourceError")


def _check_suffixes(suffixes: Sequence[str]) -> None:
    require(suffixes, "a source needs at least one suffix")
    for suffix in suffixes:
        require(suffix.startswith("."), f"the suffix {suffix!r} must start with a dot")
        require(suffix == suffix.lower(), f"the suffix {suffix!r} must be in lower case")
        require(suffix != ".gz", "the core removes .gz before it looks for a source")


def _present(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value is not None}
