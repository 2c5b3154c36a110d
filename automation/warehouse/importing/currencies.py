"""Amounts in other currencies than the shop's: converted by the rates that the shop states, or refused.

Every sum, profile and report counts amounts in the shop's currency, so that none may be stored in another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import polars as pl

from automation import event_types
from automation.types.exchange import Exchange
from automation.types.schema import ImportTable
from automation.warehouse.importing.cleaning import FAULTS, RECORD, Cleaned

MONEY: Mapping[ImportTable, str] = MappingProxyType({"events": "amount", "products": "price"})
"""The column that has a currency beside it."""
DIGITS = 4


def refuse_currencies(cleaned: Cleaned, table: ImportTable, exchange: Exchange) -> Cleaned:
    """Quarantine the rows whose amount is in a currency without a rate."""
    rows = cleaned.rows
    if not _has_money(rows, table):
        return cleaned
    others = rows.filter(_is_money(rows, table))["currency"].unique()
    reasons = {code: reason for code in others if (reason := exchange.refusal(code)) is not None}
    if not reasons:
        return cleaned
    refused = rows.filter(_is_money(rows, table) & pl.col("currency").is_in(list(reasons)))
    faults = refused.join(cleaned.raw.select(RECORD, "_row"), on=RECORD, how="left").select(
        "_row",
        pl.lit("row").alias("kind"),
        pl.lit("currency").alias("column"),
        pl.col("currency").replace_strict(reasons).alias("reason"),
        pl.col("currency").alias("value"),
    )
    return replace(
        cleaned,
        rows=rows.join(refused.select(RECORD), on=RECORD, how="anti", maintain_order="left"),
        faults=pl.concat([cleaned.faults, faults.cast(FAULTS)]),
        quarantined=cleaned.quarantined + refused.height,
    )


def convert_currencies(rows: pl.DataFrame, table: ImportTable, exchange: Exchange) -> pl.DataFrame:
    """The rows with every amount that has a rate in the shop's currency; others stay as they are."""
    if not exchange.rates or not _has_money(rows, table):
        return rows
    name = MONEY[table]
    rate = pl.col("currency").replace_strict(dict(exchange.rates), default=None, return_dtype=pl.Float64)
    foreign = _is_money(rows, table) & rate.is_not_null()
    return rows.with_columns(
        pl.when(foreign).then((pl.col(name) * rate).round(DIGITS)).otherwise(name).alias(name),
        pl.when(foreign).then(pl.lit(exchange.currency)).otherwise("currency").alias("currency"),
    )


def _has_money(rows: pl.DataFrame, table: ImportTable) -> bool:
    return {MONEY.get(table, ""), "currency"} <= set(rows.columns)


def _is_money(rows: pl.DataFrame, table: ImportTable) -> pl.Expr:
    """Whether a row has an amount of money with its currency; a rating's value is none."""
    known = pl.col(MONEY[table]).is_not_null() & pl.col("currency").is_not_null()
    return known & (pl.col("type") != event_types.RATING) if "type" in rows.columns and table == "events" else known
