"""Decides a batch: runs it through every stage, up to the rows for the ledger. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import in_millis, to_millis
from automation.contracts import Snapshot
from automation.pipeline import assign as arms
from automation.pipeline import offer as offers
from automation.pipeline import recommend as recommendations
from automation.pipeline.eligibility import EligibilityPolicy, accept_everyone, judge_eligibility
from automation.pipeline.message_context import message_context
from automation.pipeline.permission import PermissionPolicy, apply_caps, recommended_as_unknown
from automation.pipeline.shown_values import as_unknown, with_shown_values
from automation.pipeline.timing import DEFAULT_LATENESS, send_times, zone_names
from automation.store.ledger.ledger import CAP_ENTRY_COLUMNS, DECISION_COLUMNS, MESSAGE_COLUMNS
from automation.types.campaign import Campaign
from automation.types.decision import Outcome
from automation.types.offer import NO_MESSAGE, Offer
from automation.types.shown_values import NOTHING, ShownValues
from automation.types.step import Send


@dataclass(frozen=True)
class RunContext:
    """Everything that a run decides with, fetched once, with the campaign's names resolved."""

    campaign: Campaign
    send: Send
    """The step to decide about."""
    eligibility: EligibilityPolicy
    data: Snapshot
    recommendation: recommendations.RecommendationContext | None
    offer: offers.OfferContext | None
    offers: Mapping[str, Offer]
    global_holdout: Decimal | None
    shop_zone: str
    shop_language: str
    due_at: datetime
    due_local: datetime | None
    """The wall time of `timezone: customer`."""
    launched_at: datetime | None = None
    test: bool = False
    """Planned under `redirect_all`: its messages are marked as tests."""
    everyone: bool = False
    """Nothing refuses or holds out anybody, for a preview."""
    shown: ShownValues = NOTHING
    """What the texts show of each customer beside the traits."""


@dataclass(frozen=True)
class Decided:
    """A batch's rows for the ledger, and what its messages show (JSON)."""

    rows: pl.DataFrame
    content: str


def decide(
    batch: pl.DataFrame,
    context: RunContext,
    reading: Callable[[], AbstractContextManager[Connection]],
    *,
    now: datetime,
    history: pl.DataFrame | None = None,
    values: pl.DataFrame | None = None,
) -> Decided:
    """Every member of the batch with outcome, reason, arm, items and offer.

    Holdouts pass the same stages as the contacted, so that both groups stay comparable. history: the events of the
    batch's customers, as `warehouse.history` has them; a campaign that recommends needs it. reading: gives the
    store, of which no snapshot is kept while components compute. values: what the texts show of them, as
    `warehouse.shown_values` has it; needed where `context.shown` names any.
    """
    campaign, experiment = context.campaign, context.campaign.experiment
    permission = context.eligibility.permission
    timed = _with_due(batch, context)
    if context.everyone:
        judged, objectors = accept_everyone(timed, context.eligibility), []
    else:
        with reading() as connection:
            judged = judge_eligibility(timed, context.eligibility, connection, now=now)
            objectors = recommended_as_unknown(judged, permission, connection)
    assigned = arms.assign(
        judged,
        campaign=campaign.name,
        holdout=experiment.holdout,
        global_holdout=context.global_holdout if permission.marketing else None,
        variants={name: variant.share for name, variant in experiment.variants.items()},
    )
    refused = assigned.filter(pl.col("outcome").is_not_null())
    open_ = assigned.filter(pl.col("outcome").is_null())
    content = "{}"
    if context.recommendation is not None and open_.height:
        assert history is not None
        theirs = history.join(open_.select("customer_id"), on="customer_id", how="semi", maintain_order="left")
        open_, content = recommendations.recommend(open_, context.recommendation, theirs, objectors)
        too_few = pl.col("item_count") < context.recommendation.at_least
        open_ = _settle(open_, too_few, Outcome.SUPPRESSED, "too_few_recommendations")
    if context.offer is not None and open_.height:
        open_ = offers.choose_offers(open_, context.offer, salt=f"{campaign.name}:{permission.run_id}")
        open_ = _settle(open_, pl.col("offer") == NO_MESSAGE, Outcome.NO_OFFER, "no_message_chosen")
    settled = _settle_arms(_time(open_, context))
    if context.everyone:
        settled = _promise_all(settled)
    rows = _rows(pl.concat([refused, settled], how="diagonal"), context)
    known = None if values is None else as_unknown(values, objectors)
    return Decided(*with_shown_values(rows, content, context.shown, known, context.shop_zone))


def recheck_caps(
    decided: Decided, permission: PermissionPolicy, connection: Connection, *, now: datetime
) -> tuple[Decided, pl.DataFrame]:
    """Look at the caps again inside the planning transaction: another run may have promised a message since.

    Returns what was decided, and the promises of other campaigns that give way to it (`cap_slots.yield_cap_slots`).
    """
    promised = pl.col("channel").is_not_null()
    open_ = decided.rows.filter(promised).with_columns(pl.lit(None, dtype=pl.String).alias("outcome"))
    again, displaced = apply_caps(open_, permission, connection, now, early=False)
    over = pl.col("again").is_not_null()
    verdict = again.select(
        "customer_id", "not_before", "deferred", again=pl.col("outcome"), code="reason", why="detail"
    )
    rows = decided.rows.join(verdict, on="customer_id", how="left", maintain_order="left")
    nothing = [
        pl.when(~over).then(name).alias(name) for name in MESSAGE_COLUMNS if name not in {"due_at", "expires_at"}
    ]
    waits = ~over & pl.col("not_before").is_not_null()
    rows = rows.with_columns(
        pl.when(over).then("again").otherwise("outcome").alias("outcome"),
        pl.when(over).then("code").when(waits & _is_message()).then("deferred").otherwise("reason").alias("reason"),
        pl.when(over | waits).then("why").otherwise("detail").alias("detail"),
        pl.when(~over & promised).then(pl.max_horizontal("due_at", "not_before")).alias("due_at"),
        pl.when(~over & promised).then(pl.col("expires_at") + _delay()).alias("expires_at"),
        *nothing,
    )
    return replace(decided, rows=rows.drop("again", "code", "why", "not_before", "deferred")), displaced


def _is_message() -> pl.Expr:
    return pl.col("outcome") == Outcome.MESSAGE.value


def _delay() -> pl.Expr:
    return pl.max_horizontal(pl.col("not_before") - pl.col("due_at"), pl.lit(0))


def _settle(batch: pl.DataFrame, condition: pl.Expr, outcome: Outcome, reason: str) -> pl.DataFrame:
    hit = pl.col("outcome").is_null() & condition
    return batch.with_columns(
        pl.when(hit).then(pl.lit(outcome.value)).otherwise("outcome").alias("outcome"),
        pl.when(hit).then(pl.lit(reason)).otherwise("reason").alias("reason"),
    )


def _with_due(batch: pl.DataFrame, context: RunContext) -> pl.DataFrame:
    """The batch with `due_at`, on each customer's own clock and outside quiet hours."""
    limits = context.campaign.limits
    when_due = send_times(
        batch, at=context.due_at, local=context.due_local, shop_zone=context.shop_zone, quiet=limits.quiet_hours
    )
    return batch.with_columns(when_due)


def _time(batch: pl.DataFrame, context: RunContext) -> pl.DataFrame:
    """The batch with `due_at` and `expires_at`; with `when_quiet: drop`, refuses whom quiet hours would delay."""
    limits, schedule = context.campaign.limits, context.campaign.schedule
    clock = partial(send_times, batch, at=context.due_at, local=context.due_local, shop_zone=context.shop_zone)
    late = schedule.max_lateness if schedule and schedule.max_lateness else DEFAULT_LATENESS
    timed = batch
    if context.due_local is not None and context.launched_at is not None:
        passed = clock(quiet=None) <= to_millis(context.launched_at)
        timed = _settle(timed, pl.lit(passed), Outcome.SUPPRESSED, "before_launch")
    if limits.quiet_hours and limits.when_quiet == "drop":
        delayed = pl.col("due_at") != clock(quiet=None).alias("undelayed")
        timed = _settle(timed, delayed, Outcome.SUPPRESSED, "quiet_hours")
    if limits.quiet_hours:
        hours = f"{limits.quiet_hours.start:%H:%M}-{limits.quiet_hours.end:%H:%M}"
        zones = zone_names(timed, context.shop_zone).alias("quiet_zone")
        timed = timed.with_columns(pl.lit(hours).alias("quiet_hours"), zones)
    when = pl.max_horizontal("due_at", "not_before")
    return timed.with_columns(when.alias("due_at"), (when + in_millis(late)).alias("expires_at"))


def _settle_arms(batch: pl.DataFrame) -> pl.DataFrame:
    batch = _settle(batch, pl.col("arm") == arms.GLOBAL_HOLDOUT, Outcome.HOLDOUT, "global_holdout")
    batch = _settle(batch, pl.col("arm") == arms.HOLDOUT, Outcome.HOLDOUT, "holdout")
    deferred = pl.coalesce("deferred", pl.lit("selected"))
    chosen = pl.col("outcome").is_null()
    return batch.with_columns(
        pl.when(chosen).then(pl.lit(Outcome.MESSAGE.value)).otherwise("outcome").alias("outcome"),
        pl.when(chosen).then(deferred).otherwise("reason").alias("reason"),
    )


def _promise_all(batch: pl.DataFrame) -> pl.DataFrame:
    """A message for each member; without an offer where the policy chose to send nothing."""
    told = batch.with_columns(pl.lit(Outcome.MESSAGE.value).alias("outcome"), pl.lit("selected").alias("reason"))
    if "offer" not in told.columns:
        return told
    return told.with_columns(pl.when(pl.col("offer") != NO_MESSAGE).then("offer").alias("offer"))


def _rows(batch: pl.DataFrame, context: RunContext) -> pl.DataFrame:
    """The ledger's columns; those of the message are null for customers who are neither contacted nor held out."""
    batch = _with_missing(batch)
    promised = pl.col("outcome").is_in([Outcome.MESSAGE.value, Outcome.HOLDOUT.value])
    weight = _weight(context)
    whole = batch.with_columns(
        pl.lit(context.send.name).alias("step"),
        pl.lit(0).alias("visit"),
        _template(context).alias("template"),
        _coupon(context.offers).alias("coupon"),
        message_context(batch, context.send, context.shop_language, test=context.test).alias("context"),
        _propensities().alias("propensities"),
        pl.col("detail").fill_null(""),
    )
    columns = [
        *(pl.col(name).cast(kind) for name, kind in DECISION_COLUMNS.items()),
        *(pl.when(promised).then(pl.col(name)).cast(kind).alias(name) for name, kind in MESSAGE_COLUMNS.items()),
        *(pl.when(promised).then(value).cast(CAP_ENTRY_COLUMNS[name]).alias(name) for name, value in weight.items()),
    ]
    return whole.select(columns)


def _weight(context: RunContext) -> dict[str, pl.Expr]:
    """What arbitration compares a message by, and until when it may wait."""
    wait = context.campaign.limits.when_capped.wait
    until = pl.lit(None) if wait is None else pl.col("due_at") + in_millis(wait)
    return {
        "priority": pl.lit(context.campaign.priority),
        "expected_value": pl.col("expected_value"),
        "wait_until": until,
    }


def _with_missing(batch: pl.DataFrame) -> pl.DataFrame:
    """The batch with the columns of stages that did not run."""
    wanted = {
        "items": pl.lit("[]"),
        "offer": pl.lit(None, dtype=pl.String),
        "offer_probabilities": pl.lit(None, dtype=pl.String),
        "expected_value": pl.lit(None, dtype=pl.Float64),
        "due_at": pl.lit(None, dtype=pl.Int64),
        "expires_at": pl.lit(None, dtype=pl.Int64),
        "quiet_hours": pl.lit(None, dtype=pl.String),
        "quiet_zone": pl.lit(None, dtype=pl.String),
    }
    filled = batch.with_columns(value.alias(name) for name, value in wanted.items() if name not in batch.columns)
    return filled.with_columns(pl.col("items").fill_null("[]"))


def _template(context: RunContext) -> pl.Expr:
    own = context.send.template
    by_variant = {name: v.template for name, v in context.campaign.experiment.variants.items() if v.template}
    if not by_variant:
        return pl.lit(own)
    return pl.col("variant").replace_strict(by_variant, default=pl.lit(own), return_dtype=pl.String)


def _coupon(offers_: Mapping[str, Offer]) -> pl.Expr:
    unique = {name: offer.code or "" for name, offer in offers_.items() if offer.coupon == "unique"}
    if not unique:
        return pl.lit(None, dtype=pl.String)
    return pl.col("offer").replace_strict(unique, default=None, return_dtype=pl.String)


def _propensities() -> pl.Expr:
    """The arms' distribution and, where a policy chose, the offers': one JSON object."""
    arms_only = pl.concat_str(pl.lit('{"arm":'), pl.col("propensities"), pl.lit("}"))
    both = pl.concat_str(
        pl.lit('{"arm":'), pl.col("propensities"), pl.lit(',"offer":'), pl.col("offer_probabilities"), pl.lit("}")
    )
    return pl.coalesce(both, arms_only)
