"""What was taken off each line of an order: its own discount, and its part of the whole order's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import polars as pl

from automation.warehouse.importing.parsing import parse_number

if TYPE_CHECKING:
    from automation.warehouse.importing.mapping_grammar import Discounts
    from automation.warehouse.importing.table_mapping import TableMapping

_LONGEST_ORDER = 10_000
"""Lines; a file in which everything is one order is not held in memory."""
_CENT = 0.01
"""Of a line: as much as rounding can move a discount."""


def divide_discounts(frame: pl.DataFrame, rule: Discounts, mapping: TableMapping) -> pl.DataFrame:
    """The frame with discount_amount and discount_share, 0 to 1; the share is null where nothing is known.

    Every line of an order must be in the frame. A number that can't be read counts as none.
    """
    lines = frame.select(
        (pl.col(rule.by) if rule.by in frame.columns else pl.lit(None, pl.String)).alias("by"),
        pl.col("_row").cast(pl.String).alias("row"),
        _number(frame, rule.quantity, mapping).fill_null(0).clip(0).alias("quantity"),
        _number(frame, rule.price, mapping).fill_null(0).clip(0).alias("price"),
        _number(frame, rule.full_price, mapping).alias("full_price"),
        _number(frame, rule.line, mapping).fill_null(0).clip(0).alias("line"),
        _number(frame, rule.order, mapping).clip(0).alias("order"),
        _number(frame, rule.paid, mapping).alias("paid"),
    ).with_columns(
        pl.coalesce("by", pl.concat_str(pl.lit("\x1f"), "row")).alias("by"),
        (pl.col("quantity") * pl.col("price")).alias("worth"),
    )
    off, full = _after(lines) if rule.price_is == "reduced" else _before(lines)
    divided = lines.select(off.alias("off"), full.alias("full"))
    known = any(name in frame.columns for name in (rule.full_price, rule.line, rule.order) if name)
    share = divided.select(pl.when((pl.col("full") > 0) & known).then(_share())).to_series()
    return frame.with_columns(divided["off"].alias("discount_amount"), share.alias("discount_share"))


def keep_orders_whole(frames: Iterator[pl.DataFrame], by: str) -> Iterator[pl.DataFrame]:
    """The same rows, cut so that no order is in two frames; a line with an empty `by` belongs to the order above."""
    held: pl.DataFrame | None = None
    for frame in frames:
        joined = frame if held is None else pl.concat([held, frame], how="diagonal_relaxed")
        held = None
        if by not in joined.columns:
            yield joined
            continue
        order = joined[by].cast(pl.String).str.strip_chars()
        order = pl.select(pl.when(order != "").then(order)).to_series().forward_fill()
        others = (order != order[-1]).fill_null(value=True).arg_true() if len(order) and order[-1] is not None else None
        rest = 0 if others is None else len(order) - (int(others[-1]) + 1 if len(others) else 0)
        if 0 < rest <= _LONGEST_ORDER:
            held = joined.tail(rest)
            joined = joined.head(joined.height - rest)
        if joined.height:
            yield joined
    if held is not None:
        yield held


def _number(frame: pl.DataFrame, name: str | None, mapping: TableMapping) -> pl.Expr:
    if name is None or name not in frame.columns:
        return pl.lit(None, pl.Float64)
    return pl.lit(parse_number(frame[name], mapping).values)


def _before(lines: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """What is taken off each line and its full price, where `price` is the full one."""
    own = pl.min_horizontal("line", "worth")
    found = lines.with_columns(own.alias("own"), (pl.col("worth") - own).alias("left"))
    left = pl.col("left").sum().over("by")
    paid = pl.col("paid").max().over("by")
    unpaid = _whole() - pl.col("own").sum().over("by")
    rest = pl.when(paid.is_null()).then(unpaid).otherwise(pl.min_horizontal(_whole(), left - paid)).clip(0)
    part = pl.when(left > 0).then(pl.min_horizontal(rest, left) * pl.col("left") / left).otherwise(0)
    return found.select(pl.col("own") + part).to_series(), lines["worth"]


def _after(lines: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """What is taken off each line and its full price, where `price` is what was paid."""
    full = pl.col("quantity") * pl.max_horizontal("full_price", "price")
    own = pl.when(pl.col("full_price").is_not_null()).then(full - pl.col("worth")).otherwise(pl.col("line"))
    found = lines.with_columns(own.alias("own"))
    worth = pl.col("worth").sum().over("by")
    rest = (_whole() - pl.col("own").sum().over("by")).clip(0)
    told = pl.col("full_price").is_not_null().any().over("by")  # then nothing is left to divide
    part = pl.when((worth > 0) & ~told).then(rest * pl.col("worth") / worth).otherwise(0)
    off = found.select(pl.col("own") + part).to_series()
    return off, lines["worth"] + off


def _whole() -> pl.Expr:
    """The order's discount: one value in every line counts once, several values are several coupons."""
    value = pl.col("order")
    repeated = (value.count().over("by") == pl.len().over("by")) & (value.n_unique().over("by") == 1)
    return pl.when(repeated).then(value.max().over("by")).otherwise(value.sum().over("by"))


def _share() -> pl.Expr:
    """A coupon's 10 % of 7.95 is 0.79 or 0.80: the whole percent where rounding to a cent explains the difference."""
    exact = (pl.col("off") / pl.col("full")).clip(0, 1)
    percent = exact.round(2)
    return pl.when((percent - exact).abs() * pl.col("full") <= _CENT).then(percent).otherwise(exact.round(4))
