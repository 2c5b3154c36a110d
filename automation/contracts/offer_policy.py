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
    """Chooses which offer a customer gets: probabilities, from which the core draws."""

    def plan(
        self, audience: Iterator[pl.DataFrame], offers: pl.DataFrame, *, budget: Decimal | None, seed: int
    ) -> Mapping[str, JsonValue]:
        """Plan once a run, over the whole audience; the result is stored and passed to every `choose`.

        audience: the batches that `choose` will get. offers: as for `choose`. budget: the most that the run may cost,
        in the shop's currency; None without a limit. Returns JSON values by name.
        """
        ...

    def choose(self, batch: pl.DataFrame, offers: pl.DataFrame, plan: Mapping[str, JsonValue]) -> pl.DataFrame:
        """A probability for every customer of the batch × every offer; they sum to 1 within 1e-9 per customer.

        batch: customer_id, the customer's traits, and one Boolean column `when_<n>` (n from 0) for every `Condition` in
        the policy's options, in their order. offers: offer String, kind String, value Float64, expected_cost Float64.
        Returns customer_id String, offer String, probability, expected_value, expected_cost Float64, without nulls;
        the last two in the shop's currency per customer.
        """
        ...
