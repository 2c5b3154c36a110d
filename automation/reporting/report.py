"""What a campaign came to: its account, what recipients answered, the purchases tied to it, and the lift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from automation import event_types
from automation.experiment.analysis import Lift, lift
from automation.inbound.flush import flush
from automation.pipeline.attribute import TOUCHES, Model, attribute
from automation.store import runs
from automation.store.ledger import decisions, ledger
from automation.types.experiment import Goal
from automation.types.run import Account
from automation.workspace.campaigns import valid_campaign
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    from automation.warehouse.connect import Warehouse

GOAL = Goal(did=event_types.PURCHASE, within=timedelta(days=7))
"""What counts for a campaign whose file names no goal."""
ANSWERS: Mapping[str, str] = {
    event_types.EMAIL_OPEN: "opened",
    event_types.EMAIL_CLICK: "clicked",
    event_types.MACHINE_OPEN: "opened_by_machines",
    event_types.MACHINE_CLICK: "clicked_by_machines",
    event_types.UNSUBSCRIBE: "unsubscribed",
    event_types.EMAIL_BOUNCE: "bounced",
    event_types.EMAIL_COMPLAINT: "complained",
}
"""Event type → what it is called here. Messages are counted, not events: a message opened twice was opened."""


@dataclass(frozen=True)
class Credit:
    """Goal events credited to touches, and the money in them, in the shop's currency."""

    conversions: float = 0.0
    revenue: float = 0.0


@dataclass(frozen=True)
class VariantReport:
    sent: int
    answers: Mapping[str, int]
    credit: Credit


@dataclass(frozen=True)
class Report:
    """All runs of one campaign. `account` adds up; reasons: of whom got no message.

    credit: of the messages that left; held_out: what the same model gives to whom nothing was sent. lift: None without
    a holdout.
    """

    name: str
    description: str
    goal: Goal
    model: Model
    runs: int
    account: Account
    reasons: Mapping[str, int]
    answers: Mapping[str, int]
    credit: Credit
    held_out: Credit
    variants: Mapping[str, VariantReport]
    lift: Lift | None


def report(workspace: Workspace, name: str, *, model: Model = "last") -> Report:
    """Tie what happened until now to what the campaign did. Raises `ConfigurationError` where there is none."""
    campaign = valid_campaign(workspace.project, name)
    with workspace.store.reading() as connection:
        found = [run for run in runs.find(connection, campaign=name, limit=10_000) if not run.test]
        accounts = [ledger.account(connection, run.id) for run in found]
        reasons = [decisions.reasons(connection, run.id) for run in found]
        reached = decisions.reached(connection)
    goals = _goals(workspace, reached)
    mine = reached.filter(pl.col("campaign") == name)
    goal = goals[name]
    warehouse = workspace.warehouse()
    try:
        flush(workspace, warehouse)
        events = _events(workspace, warehouse, goal, mine)
    finally:
        warehouse.close()
    answered = _answers(mine, events)
    credited = mine.join(_credit(reached, events, goals, goal, model), on="touch", how="left")
    return Report(
        name=name,
        description=campaign.description,
        goal=goal,
        model=model,
        runs=len(found),
        account=Account(**{part: sum(getattr(one, part) for one in accounts) for part in vars(Account(0))}),
        reasons=_sum_reasons(reasons),
        answers=_counts(answered),
        credit=_credit_of(credited.filter(pl.col("outcome") == "message")),
        held_out=_credit_of(credited.filter(pl.col("outcome") == "holdout")),
        variants={
            variant: VariantReport(
                sent=mine.filter(pl.col("variant") == variant, pl.col("state") == "sent").height,
                answers=_counts(answered.filter(pl.col("variant") == variant)),
                credit=_credit_of(credited.filter(pl.col("variant") == variant, pl.col("outcome") == "message")),
            )
            for variant in campaign.experiment.variants
        },
        lift=_lift(mine, events.filter(pl.col("type") == goal.did), goal.within),
    )


def _goals(workspace: Workspace, reached: pl.DataFrame) -> dict[str, Goal]:
    """Each campaign's goal; those without one, and those whose file is broken or gone, have the usual one."""
    valid = {name: file.campaign for name, file in workspace.project.campaigns.items() if file.campaign is not None}
    names = {*valid, *reached["campaign"].unique()}
    return {name: (valid[name].experiment.goal if name in valid else None) or GOAL for name in names}


def _events(workspace: Workspace, warehouse: Warehouse, goal: Goal, mine: pl.DataFrame) -> pl.DataFrame:
    """The goal's events, an order's lines as one, and the answers, since the campaign first reached anybody."""
    events = warehouse.snapshot(workspace.clock.now(), timezone=workspace.project.settings.shop.timezone).events
    wanted = events.filter(events.type.isin([goal.did, *ANSWERS]))
    if not mine.is_empty():
        wanted = wanted.filter(wanted.occurred_at >= mine["due_at"].min())
    whole = wanted.group_by(
        "customer_id", "type", "message_id", event_id=wanted.order_id.coalesce(wanted.event_id)
    ).agg(occurred_at=wanted.occurred_at.min(), amount=wanted.amount.sum())
    found: pl.DataFrame = whole.to_polars()
    return found.clear() if mine.is_empty() else found


def _answers(mine: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """One row a message and kind of answer: message_id, variant, type."""
    answers = events.filter(pl.col("type").is_in(list(ANSWERS)), pl.col("message_id").is_not_null())
    known = mine.filter(pl.col("message_id").is_not_null()).select("message_id", "variant")
    return answers.select("message_id", "type").unique().join(known, on="message_id")


def _counts(answers: pl.DataFrame) -> dict[str, int]:
    found = dict(answers.group_by("type").len().iter_rows())
    return {told: found.get(type_, 0) for type_, told in ANSWERS.items()}


def _credit(
    reached: pl.DataFrame, events: pl.DataFrame, goals: Mapping[str, Goal], goal: Goal, model: Model
) -> pl.DataFrame:
    """touch, credit, revenue: of the goal's events, among the touches of all campaigns that want the same."""
    import ibis

    same = {name: one for name, one in goals.items() if one.did == goal.did}
    within = pl.col("campaign").replace_strict({n: g.within for n, g in same.items()}, return_dtype=pl.Duration("us"))
    touches = (
        reached.filter(pl.col("campaign").is_in(list(same)), pl.col("touched"))
        .with_columns(pl.lit(goal.did).alias("goal"), (pl.col("at") + within).alias("until"))
        .select(TOUCHES.names())
    )
    happened = events.filter(pl.col("type") == goal.did)
    connection = ibis.duckdb.connect()
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


def _lift(mine: pl.DataFrame, happened: pl.DataFrame, within: timedelta) -> Lift | None:
    """Judged by assignment: everybody who was to be contacted against everybody held out, from the run's due time."""
    pairs = mine.select("touch", "customer_id", "due_at").join(
        happened.select("customer_id", "occurred_at"), on="customer_id"
    )
    since = pl.col("occurred_at") - pl.col("due_at")
    converted = mine.join(pairs.filter(since > pl.duration(), since <= within), on="touch", how="semi")
    counts = [
        frame.filter(pl.col("outcome") == outcome).height
        for outcome in ("message", "holdout")
        for frame in (converted, mine)
    ]
    return lift(*counts)


def _sum_reasons(found: list[dict[tuple[str, str], int]]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for one in found:
        for (outcome, reason), count in one.items():
            counted[reason] += count if outcome != "message" else 0
    return {reason: count for reason, count in counted.most_common() if count}
