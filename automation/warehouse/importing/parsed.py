"""A column on its way from text to typed values."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Parsed:
    """The values, null where the text was empty or unusable; `fault` says why, null where nothing is wrong."""

    values: pl.Series
    fault: pl.Series

    def refuse(self, wrong: pl.Series, reason: str) -> Parsed:
        """Null the values that are wrong; the first reason given stays."""
        if not wrong.any():
            return self
        wrong = wrong.fill_null(value=False) & self.fault.is_null()
        picked = pl.select(
            values=pl.when(~wrong).then(self.values),
            fault=pl.when(wrong).then(pl.lit(reason)).otherwise(self.fault),
        )
        return Parsed(picked["values"], picked["fault"])


def accept(values: pl.Series) -> Parsed:
    """Values with nothing wrong yet."""
    return Parsed(values, pl.repeat(None, len(values), dtype=pl.String, eager=True))
