"""An offer: a discount, free shipping or nothing, with its coupon and cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

NO_MESSAGE = "no_message"
NO_DISCOUNT = "no_discount"


class Offer(BaseModel):
    """One entry of config.yaml's `offers:`. `value` is a share for `percent` (0.1 = 10 %), money for `amount`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["percent", "amount", "free_shipping", "none"]
    value: Decimal = Decimal(0)
    currency: str | None = None
    label: str | Mapping[str, str]
    """Its name in messages; or language → name."""
    coupon: Literal["none", "unique", "shared"] = "none"
    code: str | None = None  # the shared code, or the prefix of unique ones
    minimum_basket: Decimal | None = None
    expected_cost: Decimal | None = None  # what a redeemed one costs on average, in the shop's currency
