"""A campaign's results: its account, recipients' responses, the purchases attributed to it, and the lift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from automation import event_types
from automation.experiment.analysis import Lift, lift
from automation.pipeline.attribute import TOUCHES, Model, attribute
from automation.store import runs
from automation.store.ledger import decisions, ledger
from automation.types.experiment import Goal
from automation.types.run import Account
from automation.workspace.campaigns import valid_campaign
from automation.workspace.workspace import Workspace

if TYPE_CHECKING:
    from automation.warehouse.embedded import Warehouse

GOAL = Goal(did=event_types.PURCHASE, within=timedelta(days=7))
"""The goal of a campaign whose file names none."""
RESPONSES: Mapping[str, str] = {
    event_types.EMAIL_OPEN: "opened",
    event_types.EMAIL_CLICK: "clicked",
    event_types.MACHINE_OPEN: "opened_by_bots",
    event_types.MACHINE_CLICK: "clicked_by_bots",
    event_types.UNSUBSCRIBE: "unsubscribed",
    event_types.EMAIL_BOUNCE: "bounced",
    event_types.EMAIL_COMPLAINT: "complained",
}
"""Event type → its name here. Messages are counted, not events: a message opened twice counts once."""


@dataclass(frozen=True)
class Credit:
    """Goal events attributed to messages or to being held out, and their revenue in the shop's currency."""

    conversions: float = 0.0
    revenue: float = 0.0

    def to_json(self) -> dict[str, object]:
        return vars(self).copy()


@dataclass(frozen=True)
class VariantReport:
    sent: int
    responses: Mapping[str, int]
    credit: Credit

    def to_json(self) -> dict[str, object]:
        return {"sent": self.sent, "responses": dict(self.responses), "credit": self.credit.to_json()}


@dataclass(frozen=True)
class Report:
    """All runs of one campaign. `account` adds up. reasons: why customers got no message, by code.

    credit: of the messages that were sent. held_out: what the same attribution gives to the customers held out. lift:
    None without a holdout.
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
    variants: Mapping[str, VariantReport]
    lift: Lift | None

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
            "credit": self.credit.to_json(),
            "held_out": self.held_out.to_json(),
            "variants": {name: variant.to_json() for name, variant in self.variants.items()},
            "lift": vars(self.lift).copy() if self.lift else None,
        }


def report(workspace: Workspace, name: str, *, model: Model = "last") -> Report:
    """Attribute what happened until now to the campaign. Raises `ConfigurationError` where there is no such campaign.

    Events are read from the warehouse; flush the inbox first.
    """
    campaign = valid_campaign(workspace.project, name)
    with workspace.store.reading() as connection:
        found = [run for run in runs.find(connection, campaign=name, limit=10_000) if not run.test]
        accounts = [ledger.account(connection, run.id) for run in found]
        reasons = [decisions.count_reasons(connection, run.id) for run in found]
        reached = decisions.read_touches(connection)
    goals = _goals(workspace, reached)
    own = reached.filter(pl.col("campaign") == name)
    goal = goals[name]
    warehouse = workspace.warehouse()
    try:
        events = _events(workspace, warehouse, goal, own)
    finally:
        warehouse.close()
    responses = _responses(own, events)
    credited = own.join(_credit(reached, events, goals, goal, model), on="touch", how="left")
    return Report(
        name=name,
        description=campaign.description,
        currency=workspace.project.settings.shop.currency,
        goal=goal,
        model=model,
        runs=len(found),
        account=Account(**{part: sum(getattr(one, part) for one in accounts) for part in vars(Account(0))}),
        reasons=_sum_reasons(reasons),
        responses=_counts(responses),
        credit=_credit_of(credited.filter(pl.col("outcome") == "message")),
        held_out=_credit_of(credited.filter(pl.col("outcome") == "holdout")),
        variants={name: _variant(name, own, responses, credited) for name in campaign.experiment.variants},
        lift=_lift(own, events.filter(pl.col("type") == goal.did), goal.within),
    )


def _variant(name: str, own: pl.DataFrame, responses: pl.DataFrame, credited: pl.DataFrame) -> VariantReport:
    of_variant = pl.col("variant") == name
    return VariantReport(
        sent=own.filter(of_variant, pl.col("state") == "sent").height,
        responses=_counts(responses.filter(of_variant)),
        credit=_credit_of(credited.filter(of_variant, pl.col("outcome") == "message")),
    )


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


def _responses(own: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """One row for each message and kind of response: message_id, variant, type."""
    responses = events.filter(pl.col("type").is_in(list(RESPONSES)), pl.col("message_id").is_not_null())
    known = own.filter(pl.col("message_id").is_not_null()).select("message_id", "variant")
    return responses.select("message_id", "type").unique().join(known, on="message_id")


def _counts(responses: pl.DataFrame) -> dict[str, int]:
    found = dict(responses.group_by("type").len().iter_rows())
    return {name: found.get(type_, 0) for type_, name in RESPONSES.items()}


def _credit(
    reached: pl.DataFrame, events: pl.DataFrame, goals: Mapping[str, Goal], goal: Goal, model: Model
) -> pl.DataFrame:
    """touch, credit, revenue: the goal's events shared among the touches of all campaigns with the same goal."""
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
