"""`not_contacted`: leaving people in peace."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field

from automation.contracts import Options, Snapshot
from automation.rules.message import select_message_decisions
from automation.rules.window import Lookback, Span, filter_span

if TYPE_CHECKING:
    import ibis.expr.types as ir


class NotContactedOptions(Options):
    not_contacted: Lookback
    campaign: str | None = Field(default=None, min_length=1)


class NotContacted:
    """Customers for whom no campaign, or not the named one, decided to send a message for that long.

        {not_contacted: 30d}
        {not_contacted: 90d, campaign: winback}

    A holdout's members were not contacted.
    """

    key: ClassVar[str] = "not_contacted"
    reads: ClassVar[frozenset[str]] = frozenset({"customers", "decisions"})

    Options: ClassVar[type[BaseModel]] = NotContactedOptions

    def __init__(self, options: NotContactedOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        return data.customers.select("customer_id").anti_join(self.complement_of(data), "customer_id")

    def complement_of(self, data: Snapshot) -> ir.Table:
        """Those who were contacted."""
        span = Span(in_the_last=self.options.not_contacted)
        rows = filter_span(select_message_decisions(data, self.options.campaign), "decided_at", span, data)
        return rows.select("customer_id").distinct()
