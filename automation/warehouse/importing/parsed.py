"""A column that is being parsed from text to typed values."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Parsed:
    """The values, null if the text was empty or unusable; `fault`: the reason, null if nothing is wrong."""

    values: pl.Series
    fault: pl.Series

    def refuse(self, wrong: pl.Series, reason: str) -> Parsed:
        """Set wrong values to null; the first reason stays."""
        if not wrong.any():
            return self
        wrong = wrong.fill_null(value=False) & self.fault.is_null()
        picked = pl.select(
            values=pl.when(~wrong).then(self.values),
            fault=pl.when(wrong).then(pl.lit(reason)).otherwise(self.fault),
        )
        return Parsed(picked["values"], picked["fault"])


def accept(values: pl.Series) -> Parsed:
    """Values without faults."""
    return Parsed(values, pl.repeat(None, len(values), dtype=pl.String, eager=True))
