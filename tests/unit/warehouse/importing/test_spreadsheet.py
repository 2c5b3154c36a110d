"""Texts in files that people open in a spreadsheet."""

from __future__ import annotations

import polars as pl
import pytest

from automation.warehouse.importing.spreadsheet import quote_formulas, unquote

EVASIONS = [
    " =1+1",
    "\u00a0=1+1",
    "\u3000-1",
    "\ufeff@A1",
    "\u200b +1",
    "\x0b=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(A1)",
    " ＝1",
    "−1+2",
]


@pytest.mark.parametrize("text", ["=cmd()", "+49 30 1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", *EVASIONS])
def test_what_a_spreadsheet_would_run_is_quoted_and_read_back(text: str) -> None:
    quoted = quote_formulas(pl.DataFrame({"text": [text]}))
    assert quoted["text"].to_list() == ["'" + text]
    assert quoted.select(unquote(pl.col("text")))["text"].to_list() == [text]


def test_everything_else_stays() -> None:
    frame = pl.DataFrame({"text": ["Ana", "", None, "1=1", "O'Neil"], "number": [-1, 2, 3, 4, 5]})
    assert quote_formulas(frame).equals(frame)
    assert frame.select(unquote(pl.col("text")))["text"].to_list() == frame["text"].to_list()
