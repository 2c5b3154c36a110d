"""`message`: what we sent to a customer, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from automation.contracts import Options, Snapshot
from automation.errors import ConfigurationError
from automation.rules.window import Lookback, within

if TYPE_CHECKING:
    import ibis.expr.types as ir

_EVENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"opened": ("email_open",), "clicked": ("email_click", "click")}
)


class Mailing(Options):
    """Which campaign (without one, any), and what happened."""

    campaign: str | None = Field(default=None, min_length=1)
    was: Literal["received", "opened", "clicked"]


class MessageOptions(Options):
    message: Mailing
    in_the_last: Lookback | None = None


class Message:
    """Customers who received, opened or clicked a message of a campaign, or of any.

        {message: {campaign: winback, was: opened}, in_the_last: 30d}

    *Received* means that the campaign decided to send a message, counted from the decision. Opens and clicks are
    events (`email_open`; `email_click`, `click`); to tell by campaign, they need the attribute `campaign`.
    """

    key: ClassVar[str] = "message"

    Options: ClassVar[type[BaseModel]] = MessageOptions

    def __init__(self, options: MessageOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        """Raises `ConfigurationError` where events can't be told apart by campaign."""
        if self.options.message.was == "received":
            rows, at = data.decisions.filter(data.decisions.outcome == "message"), "decided_at"
        else:
            rows, at = data.events.filter(data.events.type.isin(_EVENTS[self.options.message.was])), "occurred_at"
        campaign = self.options.message.campaign
        if campaign is not None:
            if "campaign" not in rows.columns:
                raise ConfigurationError(
                    f"what was {self.options.message.was} can't be told by campaign: "
                    "the events have no attribute 'campaign'; leave campaign out, or import it with the events"
                )
            rows = rows.filter(rows.campaign == campaign)
        rows = within(rows, at, data, in_the_last=self.options.in_the_last, between=None)
        return rows.select("customer_id").distinct()
