"""Ranked products for customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from automation.contracts.model import Model

if TYPE_CHECKING:
    import polars as pl


@runtime_checkable
class Recommender(Model, Protocol):
    """Ranks products for the customers of a batch; `HasReasons` adds the texts of its reason codes."""

    def recommend(
        self,
        customers: pl.Series,
        history: pl.DataFrame,
        *,
        k: int,
        allowed: pl.Series,
        blocked: pl.DataFrame,
    ) -> pl.DataFrame:
        """At most k products for each customer of the batch.

        customers: String. history: customer_id, product_id, type, occurred_at, amount (theirs only).
        allowed: product_id String, products that may be shown. blocked: customer_id, product_id, pairs that may not.
        Returns customer_id String, product_id String, score Float64, reason String (a code), because List[String]
        (product ids that the reason refers to). An unknown customer is absent. The core orders by (-score, product_id).
        """
        ...
