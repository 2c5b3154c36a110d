"""The quarantine file of an import: a line for every fault, safe to open in a spreadsheet."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import polars as pl

from automation.warehouse.importing.spreadsheet import quote_formulas
from automation.warehouse.importing.typed import all_text

_COLUMNS = ("file", "row", "kind", "column", "reason", "value", "line")


class Quarantine:
    """Creates the file `path` at the first fault, numbered if it exists already. Only its owner may read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = False
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, file: Path, faults: pl.DataFrame, raw: pl.DataFrame) -> None:
        """Write faults (`cleaning.FAULTS`); `raw`: the frame as read, for the whole line of a quarantined row."""
        if not faults.height:
            return
        names = [name for name in raw.columns if name != "_row"]
        lines = all_text(raw.join(faults.select("_row").unique(), on="_row", how="semi")).select(
            "_row", pl.struct(names).struct.json_encode().alias("line")
        )
        shown = faults.join(lines, on="_row", how="left", maintain_order="left").select(
            pl.lit(str(file)).alias("file"),
            pl.col("_row").alias("row"),
            "kind",
            "column",
            "reason",
            "value",
            pl.when(pl.col("kind") == "row").then(pl.col("line")).alias("line"),
        )
        quote_formulas(shown.select(_COLUMNS)).write_csv(self._open(), include_header=not self.written)
        self.written = True

    def _open(self) -> IO[bytes]:
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            wanted = self.path
            for number in itertools.count(2):
                try:
                    self._stream = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
                    break
                except FileExistsError:
                    self.path = wanted.with_stem(f"{wanted.stem}-{number}")
        assert self._stream is not None
        return self._stream
