"""A campaign's results: its account, recipients' responses, the purchases attributed to it, and the lift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from automation import event_types
from automation.experiment.analysis import Lift, lift
from automation.pipeline.attribute import TOUCHES, Model, attribute
from automation.reporting.figures import (
    RESPONSES,
    Credit,
    Difference,
    Figures,
    compare_variants,
    count_responses,
    make_figures,
    with_responses,
)
from automation.store import runs
from automation.store.ledger import accounts, decisions
from automation.types.experiment import Goal
from automation.types.run import Account
from automation.workspace.campaigns import valid_campaign
from automation.workspace.tracking import tracked_channels
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    from automation.warehouse.embedded import Warehouse

GOAL = Goal(did=event_types.PURCHASE, within=timedelta(days=7))
"""The goal of a campaign whose file names none."""


@dataclass(frozen=True)
class Report:
    """All runs of one campaign. `account` adds up. reasons: why customers got no message, by code.

    credit: of the messages that were sent. held_out: what the same attribution gives to the customers held out.
    channels: their messages add up to those of the account, and their responses to `responses`. differences: of each
    variant from the first. lift: None without a holdout. untracked: messages that left, or may have, without pixel and
    tracked links for want of a consent.
    """

    name: str
    description: str
    currency: str
    goal: Goal
    model: Model
    runs: int
    account: Account
    reasons: Mapping[str, int]
    responses: Mapping[str, int]
    credit: Credit
    held_out: Credit
    variants: Mapping[str, Figures]
    channels: Mapping[str, Figures]
    differences: Sequence[Difference]
    lift: Lift | None
    untracked: int = 0

    def to_json(self) -> dict[str, object]:
        return {
            "campaign": self.name,
            "description": self.description,
            "currency": self.currency,
            "goal": {"did": self.goal.did, "within_seconds": self.goal.within.total_seconds()},
            "attribution": self.model,
            "runs": self.runs,
            "account": vars(self.account).copy(),
            "adds_up": self.account.adds_up,
            "reasons": dict(self.reasons),
            "responses": dict(self.responses),
            "untracked": self.untracked,
            "credit": self.credit.to_json(),
            "held_out": self.held_out.to_json(),
            "variants": {name: figures.to_json() for name, figures in self.variants.items()},
            "channels": {name: figures.to_json() for name, figures in self.channels.items()},
            "differences": [one.to_json() for one in self.differences],
            "lift": vars(self.lift).copy() if self.lift else None,
        }


def report(workspace: Workspace, name: str, *, model: Model = "last") -> Report:
    """Attribute what happened until now to the campaign. Raises `ConfigurationError` where there is no such campaign.

    Events are read from the warehouse; flush the inbox first.
    """
    campaign = valid_campaign(workspace.project, name)
    with workspace.store.reading() as connection:
        found = [run for run in runs.find(connection, campaign=name, limit=10_000) if not run.test]
        standing = [accounts.account(connection, run.id) for run in found]
        reasons = [accounts.count_reasons(connection, run.id) for run in found]
        reached = decisions.read_touches(connection)
        channels = decisions.read_channels(connection, name)
    goals = _goals(workspace, reached)
    own = reached.filter(pl.col("campaign") == name)
    goal = goals[name]
    warehouse = workspace.warehouse()
    try:
        events = _events(workspace, warehouse, goal, own)
    finally:
        warehouse.close()
    credited = own.join(_credit(reached, events, goals, goal, model), on="touch", how="left")
    contacted = credited.filter(pl.col("outcome") == "message")
    messages = _messages(contacted, channels, events, goal)
    tracked = _tracked(workspace, goal)
    variants = _variants(messages, campaign.experiment.variants, tracked)
    by_channel = {
        channel: make_figures(messages.filter(pl.col("channel") == channel), tracked)
        for channel in messages["channel"].unique().sort()
    }
    return Report(
        name=name,
        description=campaign.description,
        currency=workspace.project.settings.shop.currency,
        goal=goal,
        model=model,
        runs=len(found),
        account=Account(**{part: sum(getattr(one, part) for one in standing) for part in vars(Account(0))}),
        reasons=_sum_reasons(reasons),
        responses=count_responses(messages),
        credit=_credit_of(contacted),
        held_out=_credit_of(credited.filter(pl.col("outcome") == "holdout")),
        variants=variants,
        channels=by_channel,
        untracked=sum(figures.untracked for figures in by_channel.values()),
        differences=list(compare_variants(variants)),
        lift=_lift(own, events.filter(pl.col("type") == goal.did), goal.within),
    )


def _messages(contacted: pl.DataFrame, channels: pl.DataFrame, events: pl.DataFrame, goal: Goal) -> pl.DataFrame:
    """The messages that left, or may have: with their channel, what they caused, and whether their customer reached
    the goal within its time."""
    left = contacted.filter(pl.col("touched")).join(channels, on="message_id", maintain_order="left")
    happened = events.filter(pl.col("type") == goal.did).select("customer_id", "occurred_at")
    since = pl.col("occurred_at") - pl.col("at")
    reached = left.select("touch", "customer_id", "at").join(happened, on="customer_id")
    reached = reached.filter(since > pl.duration(), since <= goal.within).select("touch").unique()
    left = left.with_columns(pl.col("touch").is_in(reached["touch"].implode()).alias("converted"))
    return with_responses(left, events)


def _variants(
    messages: pl.DataFrame, named: Iterable[str], tracked: Mapping[str, Collection[str]]
) -> dict[str, Figures]:
    """In the file's order; then those that it had once."""
    names = dict.fromkeys([*named, *messages["variant"].drop_nulls().unique().sort()])
    return {name: make_figures(messages.filter(pl.col("variant") == name), tracked) for name in names}


def _tracked(workspace: Workspace, goal: Goal) -> Mapping[str, Collection[str]]:
    """The channels whose messages count opens, and clicks; and the goal, where it is one of these."""
    tracked = tracked_channels(workspace.project)
    response = RESPONSES.get(goal.did, "")
    return {**tracked, "converted": tracked[response]} if response in tracked else tracked


def _goals(workspace: Workspace, reached: pl.DataFrame) -> dict[str, Goal]:
    """Each campaign's goal; `GOAL` where its file names none, is invalid or was removed."""
    valid = {name: file.campaign for name, file in workspace.project.campaigns.items() if file.campaign is not None}
    names = {*valid, *reached["campaign"].unique()}
    return {name: (valid[name].experiment.goal if name in valid else None) or GOAL for name in names}


def _events(workspace: Workspace, warehouse: Warehouse, goal: Goal, own: pl.DataFrame) -> pl.DataFrame:
    """The goal's events, with an order's lines as one, and the responses, since the campaign first reached anybody."""
    events = warehouse.snapshot(workspace.clock.now(), timezone=workspace.project.settings.shop.timezone).events
    wanted = events.filter(events.type.isin([goal.did, *RESPONSES]))
    if not own.is_empty():
        wanted = wanted.filter(wanted.occurred_at >= own["due_at"].min())
    whole = wanted.group_by(
        "customer_id", "type", "message_id", event_id=wanted.order_id.coalesce(wanted.event_id)
    ).agg(occurred_at=wanted.occurred_at.min(), amount=wanted.amount.sum())
    found: pl.DataFrame = whole.to_polars()
    return found.clear() if own.is_empty() else found


def _credit(
    reached: pl.DataFrame, events: pl.DataFrame, goals: Mapping[str, Goal], goal: Goal, model: Model
) -> pl.DataFrame:
    """touch, credit, revenue: the goal's events shared among the touches of all campaigns with the same goal."""
    from automation.local_engine import connect

    same = {name: one for name, one in goals.items() if one.did == goal.did}
    within = pl.col("campaign").replace_strict({n: g.within for n, g in same.items()}, return_dtype=pl.Duration("us"))
    touches = (
        reached.filter(pl.col("campaign").is_in(list(same)), pl.col("touched"))
        .with_columns(pl.lit(goal.did).alias("goal"), (pl.col("at") + within).alias("until"))
        .select(TOUCHES.names())
    )
    happened = events.filter(pl.col("type") == goal.did)
    connection = connect()
    try:
        pairs: pl.DataFrame = attribute(
            connection.create_table("happened", happened.to_arrow()),
            connection.create_table("touches", touches.to_arrow()),
            model,
        ).to_polars()
    finally:
        connection.disconnect()
    worth = pairs.join(happened.select("event_id", "amount"), on="event_id")
    return worth.group_by("touch").agg(
        pl.col("credit").sum(), (pl.col("credit") * pl.col("amount").fill_null(0)).sum().alias("revenue")
    )


def _credit_of(credited: pl.DataFrame) -> Credit:
    return Credit(round(float(credited["credit"].sum()), 6), round(float(credited["revenue"].sum()), 2))


def _lift(own: pl.DataFrame, happened: pl.DataFrame, within: timedelta) -> Lift | None:
    """Compared by assignment: everybody to be contacted against everybody held out, from the run's due time on."""
    pairs = own.select("touch", "customer_id", "due_at").join(
        happened.select("customer_id", "occurred_at"), on="customer_id"
    )
    since = pl.col("occurred_at") - pl.col("due_at")
    converted = own.join(pairs.filter(since > pl.duration(), since <= within), on="touch", how="semi")
    counts = [
        frame.filter(pl.col("outcome") == outcome).height
        for outcome in ("message", "holdout")
        for frame in (converted, own)
    ]
    return lift(*counts)


def _sum_reasons(found: list[dict[tuple[str, str], int]]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for one in found:
        for (outcome, reason), count in one.items():
            counted[reason] += count if outcome != "message" else 0
    return {reason: count for reason, count in counted.most_common() if count}
