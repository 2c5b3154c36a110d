"""`not_contacted`: customers who got no message for some time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from automation.contracts import Figure, Options, Snapshot
from automation.rules.message import select_message_decisions
from automation.rules.value_figures import spell_local_day
from automation.rules.window import Lookback, Span, filter_span

if TYPE_CHECKING:
    import ibis.expr.types as ir


class NotContactedOptions(Options):
    not_contacted: Lookback
    campaign: str | None = Field(default=None, min_length=1)


class NotContacted:
    """Customers to whom no campaign, or not the named one, decided to send a message within that time.

        {not_contacted: 30d}
        {not_contacted: 90d, campaign: winback}

    Customers in a holdout count as not contacted.
    """

    key: ClassVar[str] = "not_contacted"
    reads: ClassVar[frozenset[str]] = frozenset({"customers", "decisions"})

    Options: ClassVar[type[BaseModel]] = NotContactedOptions

    def __init__(self, options: NotContactedOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        return data.customers.select("customer_id").anti_join(self.complement_of(data), "customer_id")

    def complement_of(self, data: Snapshot) -> ir.Table:
        """The customers who were contacted."""
        span = Span(in_the_last=self.options.not_contacted)
        rows = filter_span(select_message_decisions(data, self.options.campaign), "decided_at", span, data)
        return rows.select("customer_id").distinct()

    def measure(self, data: Snapshot) -> list[Figure]:
        """When the customer was contacted last, and by which campaign."""
        rows = select_message_decisions(data, self.options.campaign)
        newest = rows.order_by(rows.decided_at.desc()).limit(1).select("decided_at", "campaign").to_polars().rows()
        if not newest:
            return [Figure("never contacted")]
        ((at, campaign),) = newest
        return [Figure(f"last contacted on {spell_local_day(at, data)} by {campaign}")]
