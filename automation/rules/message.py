"""`message`: messages to a customer, and the response to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from automation import event_types
from automation.contracts import Figure, Options, Snapshot
from automation.rules.value_figures import spell_local_day
from automation.rules.window import Lookback, Span, filter_span
from automation.types.plural import format_count

if TYPE_CHECKING:
    import ibis.expr.types as ir

_EVENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"opened": (event_types.EMAIL_OPEN,), "clicked": (event_types.EMAIL_CLICK, event_types.CLICK)}
)


class Goal(Options):
    """The event that counts as a conversion, and how soon after the message it must happen."""

    did: str = Field(default=event_types.PURCHASE, min_length=1)
    within: Lookback = timedelta(days=7)


class Mailing(Options):
    """The campaign (any, if none is named), and what happened to its message."""

    campaign: str | None = Field(default=None, min_length=1)
    was: Literal["received", "opened", "clicked", "converted"]
    goal: Goal | None = None

    @model_validator(mode="after")
    def _goal_of_a_conversion(self) -> Mailing:
        if self.goal is not None and self.was != "converted":
            raise ValueError("goal defines a conversion; it is only allowed with was: converted")
        return self


class MessageOptions(Span):
    message: Mailing


class Message:
    """Customers who received, opened or clicked a message of one campaign or of any, or converted after it.

        {message: {campaign: winback, was: opened}, in_the_last: 30d}
        {message: {campaign: winback, was: converted, goal: {did: purchase, within: 14d}}}

    *Received* means that the campaign decided to send a message; the time is the decision's. *Opened* and *clicked*
    mean an event (`email_open`; `email_click` or `click`) of one of the campaign's messages, by the event's
    `message_id` or its attribute `campaign`; the time is the event's. *Converted* means that the `goal` (by default a
    purchase within 7 days) happened after a received message, strictly later and no later than `within`; the time is
    the message's. A conversion followed the message; the message need not have caused it.
    The span of time is `in_the_last`, `between`, `before` or `after`, as in `did`.
    """

    key: ClassVar[str] = "message"
    reads: ClassVar[frozenset[str]] = frozenset({"events", "decisions"})

    Options: ClassVar[type[BaseModel]] = MessageOptions

    def __init__(self, options: MessageOptions) -> None:
        self.options = options

    def matching(self, data: Snapshot) -> ir.Table:
        return self._select(data, self.options).select("customer_id").distinct()

    def measure(self, data: Snapshot) -> list[Figure]:
        """How often it happened in the span, or otherwise when it happened last."""
        inside, ever = (_summary(self._select(data, span)) for span in (self.options, Span()))
        if inside["n"]:
            times = format_count(inside["n"], "time")
            return [Figure(f"{times}, the last on {spell_local_day(inside['newest'], data)}")]
        return [Figure(f"last on {spell_local_day(ever['newest'], data)}" if ever["n"] else "never")]

    def _select(self, data: Snapshot, span: Span) -> ir.Table:
        """customer_id and at: what happened to the campaign's messages in the span, or the messages themselves."""
        mailing = self.options.message
        if mailing.was in _EVENTS:
            answers = _of_campaign(data.events.filter(data.events.type.isin(_EVENTS[mailing.was])), mailing, data)
            rows = filter_span(answers, "occurred_at", span, data)
            return rows.select("customer_id", at=rows.occurred_at)
        rows = filter_span(select_message_decisions(data, mailing.campaign), "decided_at", span, data)
        rows = rows if mailing.was == "received" else _converted(rows, mailing.goal or Goal(), data)
        return rows.select("customer_id", at=rows.decided_at)


def _summary(rows: ir.Table) -> dict[str, Any]:
    found: dict[str, Any] = rows.aggregate(n=rows.at.nunique(), newest=rows.at.max()).to_polars().to_dicts()[0]
    return found


def select_message_decisions(data: Snapshot, campaign: str | None) -> ir.Table:
    """The decisions to send a message, of one campaign or of all campaigns."""
    rows = data.decisions.filter(data.decisions.outcome == "message")
    return rows if campaign is None else rows.filter(rows.campaign == campaign)


def _of_campaign(answers: ir.Table, mailing: Mailing, data: Snapshot) -> ir.Table:
    if mailing.campaign is None:
        return answers
    sent = select_message_decisions(data, mailing.campaign)
    theirs = answers.message_id.isin(sent.filter(sent.message_id.notnull()).message_id).fill_null(False)
    if "campaign" in answers.columns:
        theirs |= (answers.campaign == mailing.campaign).fill_null(False)
    return answers.filter(theirs)


def _converted(messages: ir.Table, goal: Goal, data: Snapshot) -> ir.Table:
    import ibis

    events = data.events.filter(data.events.type == goal.did).select("customer_id", "occurred_at")
    joined = messages.inner_join(events, "customer_id")
    span = ibis.interval(seconds=int(goal.within.total_seconds()))
    return joined.filter(joined.occurred_at > joined.decided_at, joined.occurred_at <= joined.decided_at + span)
