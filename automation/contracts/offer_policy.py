"""Which offer a customer gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pydantic import JsonValue

from automation.contracts.model import Model

if TYPE_CHECKING:
    import polars as pl


@runtime_checkable
class OfferPolicy(Model, Protocol):
    def plan(
        self, audience: Iterator[pl.DataFrame], offers: pl.DataFrame, *, budget: Decimal | None, seed: int
    ) -> Mapping[str, JsonValue]:
        """Once a run, over the whole audience in batches; what it returns is stored and given to every `choose`."""
        ...

    def choose(self, batch: pl.DataFrame, offers: pl.DataFrame, plan: Mapping[str, JsonValue]) -> pl.DataFrame:
        """A probability for every customer of the batch × every offer; they sum to 1 within 1e-9 per customer.

        batch: customer_id, the customer's traits, and one Boolean column `when_<n>` (n from 0) for every `Condition` in
        the policy's options, in their order. offers: offer, kind, value, expected_cost.
        Returns customer_id, offer, probability, expected_value, expected_cost.
        """
        ...
