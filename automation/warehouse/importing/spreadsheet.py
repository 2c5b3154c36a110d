"""The apostrophe before a text that a spreadsheet would run as a formula: our files get it, imports drop it."""

from __future__ import annotations

import polars as pl

# A spreadsheet reads past blanks and invisible characters, and takes the full-width forms of the signs as well.
_BLANK = r"[\s\x00-\x1f\x{a0}\x{ad}\x{200b}-\x{200f}\x{2060}\x{3000}\x{feff}]*"
_SIGN = r"[=+\-@\x{ff1d}\x{ff0b}\x{ff0d}\x{2212}\x{ff20}]"
_FORMULA = rf"^(?:[\t\r\n]|{_BLANK}{_SIGN})"
_QUOTED = rf"(?s)^'([\t\r\n].*|{_BLANK}{_SIGN}.*|[\d\s()./-]+)$"


def quote_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame, safe to open in a spreadsheet: texts that start like a formula get the apostrophe."""
    text = pl.col(pl.String)
    return frame.with_columns(pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text).name.keep())


def unquote(text: pl.Expr) -> pl.Expr:
    """The texts without the apostrophe that we, or a spreadsheet, put before formulas, numbers and phone numbers."""
    return text.str.replace(_QUOTED, "$1")
