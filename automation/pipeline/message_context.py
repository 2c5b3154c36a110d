"""What a decision keeps of the customer, so that their message can be rendered now and again."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from automation.messages.redirect import MARK
from automation.store.ledger.ledger import DECISION_COLUMNS, MESSAGE_COLUMNS
from automation.types.schema import CUSTOMERS
from automation.types.step import Send


def message_context(batch: pl.DataFrame, send: Send, shop_language: str, *, test: bool) -> pl.Expr:
    """The customer's data in the message, kept with it so that it can be rendered again."""
    hidden = _not_traits(batch.columns)
    traits = [
        pl.col(name).cast(pl.String) if kind.is_temporal() else pl.col(name)
        for name, kind in batch.schema.items()
        if name not in hidden
    ]
    language = _language(batch, send, shop_language)
    marks = [pl.lit(value=True).alias(MARK)] if test else []
    return pl.struct(pl.struct(traits).alias("customer"), language.alias("language"), *marks).struct.json_encode()


def _not_traits(columns: Sequence[str]) -> set[str]:
    """Columns of the batch that are not traits of the customer."""
    stages = {
        "arm",
        "item_count",
        "offer_propensity",
        "offer_probabilities",
        "not_before",
        "deferred",
        "expected_value",
        *DECISION_COLUMNS,
        *MESSAGE_COLUMNS,
    }
    leaves = {name for name in columns if name.startswith(("leaf_", "when_", "score_", "reasons_"))}
    return (stages | leaves) - set(CUSTOMERS.columns)


def _language(batch: pl.DataFrame, send: Send, shop_language: str) -> pl.Expr:
    wanted = send.language
    if isinstance(wanted, str):
        return pl.lit(wanted)
    otherwise = wanted.otherwise if wanted is not None else shop_language
    trait = wanted.use.removeprefix("customer.") if wanted is not None else "language"
    return pl.col(trait).fill_null(otherwise) if trait in batch.columns else pl.lit(otherwise)
