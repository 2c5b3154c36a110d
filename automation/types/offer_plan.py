"""Which offer a message may carry, and what it may cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import InstanceOf

from automation.types.condition import Using
from automation.types.grammar import Grammar, Names
from automation.types.limits import Cap
from automation.types.quantity import Amount, Duration


class Budget(Grammar):
    amount: Amount
    per: Literal["run", "month", "total"] = "run"
    counts: Literal["promised", "redeemed"] = "promised"


class OfferPlan(Grammar):
    """`fixed`, or `using` a policy that chooses among `choose`."""

    fixed: Annotated[str, Names("offers")] | None = None
    using: Annotated[InstanceOf[Using], Names("offer_policies")] | None = None
    choose: tuple[Annotated[str, Names("offers")], ...] = ()
    maximize: Literal["profit", "revenue", "conversions"] | None = None
    budget: Budget | None = None
    valid_for: Duration | None = None
    per_customer: Cap | None = None
