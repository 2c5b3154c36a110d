"""The shop's currency, and what other currencies are worth in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Exchange:
    """rates: what one unit of another currency is worth in the shop's, by ISO 4217 code."""

    currency: str = "EUR"
    rates: Mapping[str, float] = field(default_factory=dict)

    def refusal(self, currency: str | None) -> str | None:
        """Why an amount in this currency can't be counted; None where it can (null: it is in the shop's)."""
        if currency is None or currency == self.currency or currency in self.rates:
            return None
        return (
            f"is {currency}, and the shop's currency is {self.currency}; write in config.yaml what one {currency} is "
            f"worth: shop: {{rates: {{{currency}: …}}}}"
        )
