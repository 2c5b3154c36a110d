"""The offer of a campaign's messages: a fixed one or a policy's choice, its budget and validity."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import InstanceOf

from automation.types.condition import Using
from automation.types.grammar import FileModel, Names
from automation.types.limits import Cap
from automation.types.quantity import Amount, Duration


class Budget(FileModel):
    """The most that a campaign's offers may cost in a run, a month or in total."""

    amount: Amount
    per: Literal["run", "month", "total"] = "run"
    counts: Literal["promised", "redeemed"] = "promised"


class OfferPlan(FileModel):
    """Either `fixed`, or `using` a policy that chooses among the offers in `choose`."""

    fixed: Annotated[str, Names("offers")] | None = None
    using: Annotated[InstanceOf[Using], Names("offer_policies")] | None = None
    choose: tuple[Annotated[str, Names("offers")], ...] = ()
    maximize: Literal["profit", "revenue", "conversions"] | None = None
    budget: Budget | None = None
    valid_for: Duration | None = None
    per_customer: Cap | None = None
