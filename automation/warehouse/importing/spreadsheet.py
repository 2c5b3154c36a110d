"""The apostrophe before a text that a spreadsheet would run as a formula: our files get it, imports drop it."""

from __future__ import annotations

import polars as pl

_FORMULA = r"^[=+\-@\t\r\n]"
_QUOTED = r"(?s)^'([=+@\t\r\n-].*|[\d\s()./-]+)$"


def quote_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame, safe to open in a spreadsheet: texts that start like a formula get the apostrophe."""
    text = pl.col(pl.String)
    return frame.with_columns(pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text).name.keep())


def unquote(text: pl.Expr) -> pl.Expr:
    """The texts without the apostrophe that we, or a spreadsheet, put before formulas, numbers and phone numbers."""
    return text.str.replace(_QUOTED, "$1")
