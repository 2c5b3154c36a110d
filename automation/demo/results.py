"""What each campaign of the demo came to: its account, what customers did, and the lift against the holdout."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from automation.demo.deliveries import members
from automation.runner.workspace import Workspace
from automation.store import decisions, ledger, runs
from automation.types.campaign import Campaign
from automation.types.run import Account

Z95 = 1.959964


@dataclass(frozen=True)
class Lift:
    """Buyers among the contacted against buyers among the held out, within the goal's time after the run.

    difference: of the two shares; low, high: its 95 % interval (Newcombe 1998, method 10, from Wilson's intervals).
    """

    contacted: int
    contacted_bought: int
    held_out: int
    held_out_bought: int
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class VariantResult:
    sent: int
    opened: int
    clicked: int


@dataclass(frozen=True)
class CampaignResult:
    """All runs of one campaign. `account` adds up; opened, clicked and unsubscribed count messages.

    orders and revenue: those that a click on one of its messages led to. lift: None without a holdout.
    """

    name: str
    description: str
    runs: int
    account: Account
    reasons: Mapping[str, int]
    opened: int
    clicked: int
    unsubscribed: int
    orders: int
    revenue: float
    variants: Mapping[str, VariantResult]
    lift: Lift | None


def result(workspace: Workspace, campaign: Campaign, events: pl.DataFrame) -> CampaignResult:
    """Tie what happened (columns of the events table) to what the campaign did."""
    reasons: Counter[str] = Counter()
    with workspace.store.reading() as connection:
        found = runs.find(connection, campaign=campaign.name, limit=1_000)
        accounts = [ledger.account(connection, run.id) for run in found]
        for run in found:
            for (outcome, reason), count in decisions.reasons(connection, run.id).items():
                reasons[reason] += count if outcome != "message" else 0
        reached = members(connection, campaign.name)
    answers = events.join(reached.select("message_id", "variant"), on="message_id", how="inner")
    bought = answers.filter(pl.col("type") == "purchase")
    return CampaignResult(
        name=campaign.name,
        description=campaign.description,
        runs=len(found),
        account=_sum(accounts),
        reasons={reason: count for reason, count in reasons.most_common() if count},
        opened=_messages(answers, "email_open"),
        clicked=_messages(answers, "email_click"),
        unsubscribed=_messages(answers, "unsubscribe"),
        orders=bought["order_id"].n_unique(),
        revenue=round(float(bought["amount"].sum()), 2),
        variants=_variants(campaign, reached, answers),
        lift=_lift(campaign, reached, events),
    )


def difference_interval(bought: int, of: int, other_bought: int, other_of: int) -> tuple[float, float, float]:
    """The difference of two shares and its 95 % interval (Newcombe 1998, method 10)."""
    share, low, high = _wilson(bought, of)
    other, other_low, other_high = _wilson(other_bought, other_of)
    difference = share - other
    return (
        difference,
        difference - math.hypot(share - low, other_high - other),
        difference + math.hypot(high - share, other - other_low),
    )


def _wilson(bought: int, of: int) -> tuple[float, float, float]:
    """A share and its Wilson interval."""
    share, square = bought / of, Z95**2
    middle = (2 * bought + square) / (2 * (of + square))
    half = Z95 * math.sqrt(square + 4 * bought * (1 - share)) / (2 * (of + square))
    return share, middle - half, middle + half


def _sum(accounts: list[Account]) -> Account:
    return Account(**{name: sum(getattr(account, name) for account in accounts) for name in vars(Account(0))})


def _messages(answers: pl.DataFrame, type_: str) -> int:
    return answers.filter(pl.col("type") == type_)["message_id"].n_unique()


def _variants(campaign: Campaign, reached: pl.DataFrame, answers: pl.DataFrame) -> dict[str, VariantResult]:
    found = {}
    for name in campaign.experiment.variants:
        mine = answers.filter(pl.col("variant") == name)
        sent = reached.filter(pl.col("variant") == name, pl.col("state") == "sent")
        found[name] = VariantResult(len(sent), _messages(mine, "email_open"), _messages(mine, "email_click"))
    return found


def _lift(campaign: Campaign, reached: pl.DataFrame, events: pl.DataFrame) -> Lift | None:
    """Judged by assignment: everybody who was to be contacted against everybody held out."""
    goal = campaign.experiment.goal
    if goal is None or campaign.experiment.holdout is None or reached.is_empty():
        return None
    converted = _converted(reached, events.filter(pl.col("type") == goal.did), goal.within)
    contacted, held = (converted.filter(pl.col("outcome") == outcome) for outcome in ("message", "holdout"))
    if contacted.is_empty() or held.is_empty():
        return None
    counts = int(contacted["converted"].sum()), len(contacted), int(held["converted"].sum()), len(held)
    return Lift(counts[1], counts[0], counts[3], counts[2], *difference_interval(*counts))


def _converted(reached: pl.DataFrame, goals: pl.DataFrame, within: timedelta) -> pl.DataFrame:
    """The members with `converted`: whether the goal's event followed in time."""
    pairs = reached.select("customer_id", "due_at").join(goals.select("customer_id", "occurred_at"), on="customer_id")
    since = pl.col("occurred_at") - pl.col("due_at")
    hits = pairs.filter(since >= pl.duration(), since < within).select("customer_id", "due_at").unique()
    hits = hits.with_columns(converted=pl.lit(value=True))
    return reached.join(hits, on=["customer_id", "due_at"], how="left").with_columns(
        pl.col("converted").fill_null(value=False)
    )
