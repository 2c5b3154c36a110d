"""Files with more or less than one row a record: an order's head written once, several products in one cell."""

from __future__ import annotations

import re

import polars as pl

from automation.warehouse.importing.mapping_grammar import FillDown, Items

_CUT = "\x1f"


def fill_down(frame: pl.DataFrame, rule: FillDown, before: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every line with the head values of its group, and the last line: the next frame needs it as `before`.

    A line with an empty `by` belongs to the group above.
    """
    columns = [name for name in rule.columns if name in frame.columns]
    joined = frame if before is None else pl.concat([before, frame], how="diagonal")
    filled = joined.with_columns(pl.col(rule.by).forward_fill()).with_columns(
        pl.col(columns).forward_fill().over(rule.by)
    )
    return filled.tail(frame.height), filled.tail(1)


def split_items(frame: pl.DataFrame, rule: Items) -> pl.DataFrame:
    """A row for each item, with item_quantity, item_name and item_share; a cell without items stays one row."""
    begins = f"{re.escape(rule.between)}({rule.quantity.replace('(', '(?:', 1)})"
    items = pl.col(rule.column).str.replace_all(begins, f"{_CUT}${{1}}").str.split(_CUT)
    rows = frame.with_columns(items.alias("_items"))
    whole = f"^{rule.quantity}(.+)$"
    rows = rows.with_columns(pl.col("_items").fill_null(pl.lit([None], pl.List(pl.String)))).explode("_items")
    quantity = pl.col("item_quantity").cast(pl.Float64)
    share = quantity / quantity.sum().over("_row")
    return (
        rows.with_columns(
            pl.col("_items").str.extract(whole, 1).alias("item_quantity"),
            pl.col("_items").str.extract(whole, 2).alias("item_name"),
        )
        .with_columns(share.cast(pl.String).alias("item_share"))
        .drop("_items")
    )
