"""Who may be contacted: consent, address, suppression, one person one message, re-entry, caps. Refusals have codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.contracts import Suppression
from automation.contracts.answers import ask_suppression
from automation.messages.render import Kind
from automation.pipeline.arbitration import judge_caps
from automation.pipeline.caps import CapRequest
from automation.pipeline.objections import REASON as PROFILING
from automation.pipeline.objections import ObjectionPolicy, find_objectors
from automation.pipeline.passed_over import passed_over
from automation.store.engine import table
from automation.store.ledger import decisions
from automation.store.people import consent
from automation.store.people.known_then import states_then, suppressed_then
from automation.store.people.permission import consent_refusals
from automation.store.tables import Message
from automation.types.address import ADDRESS_COLUMN, normalised
from automation.types.limits import Reentry

_ADDRESS_SHAPE: Mapping[str, str] = {"email": r"^[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+$", "phone": r"^\+?\d{6,15}$"}
_message = table(Message)


@dataclass(frozen=True)
class EligibilityPolicy:
    """What a campaign demands of its audience. `channels`: name → address kind, in order of preference."""

    campaign: str
    run_id: int
    topic: str
    marketing: bool
    channels: Mapping[str, Kind]
    reentry: Reentry
    cap_request: CapRequest | None = None
    """What it asks of the caps; None: no caps apply."""
    suppressions: Sequence[Suppression] = field(default_factory=tuple)
    objections: ObjectionPolicy | None = None
    """Whose no to profiling counts; None: config.yaml names no topic for it."""
    known_until: datetime | None = None
    """For a plan of an earlier time: only consents, suppressions and messages until then count."""


def judge_eligibility(
    batch: pl.DataFrame, eligibility: EligibilityPolicy, connection: Connection, *, now: datetime
) -> pl.DataFrame:
    """The batch with `channel`, `address`, `outcome`, `reason`, `detail`, `passed_over`, `not_before` and `deferred`.

    outcome and reason are null where the customer is eligible; not_before (milliseconds) and deferred (a reason) where
    a cap lets the message leave only later.
    """
    judged = _choose_channel(batch, eligibility, connection)
    if eligibility.objections is not None and eligibility.objections.profiles:
        objectors = find_objectors(batch, eligibility.objections, connection, known_until=eligibility.known_until)
        judged = _refuse(judged, objectors, "suppressed", PROFILING)
    judged = _refuse(judged, _repeated_addresses(judged, eligibility, connection), "suppressed", "duplicate_address")
    judged = _refuse(judged, _re_entered(judged, eligibility, connection, now), "suppressed", "reentry")
    judged = apply_caps(judged, eligibility, connection, now, early=True)[0]
    for suppression in eligibility.suppressions:
        judged = _ask(judged, suppression, now)
    return judged


def recommended_as_unknown(judged: pl.DataFrame, eligibility: EligibilityPolicy, connection: Connection) -> list[str]:
    """Of those who may be contacted, the customers for whom nothing may be recommended from what they did."""
    if eligibility.objections is None:
        return []
    open_ = judged.filter(pl.col("outcome").is_null())
    return find_objectors(open_, eligibility.objections, connection, known_until=eligibility.known_until)


def accept_everyone(batch: pl.DataFrame, eligibility: EligibilityPolicy) -> pl.DataFrame:
    """The columns of `judge_eligibility` as if nothing refused anybody, for previews.

    The channel is the first with an address, or the first of all with an empty one.
    """
    columns = {name: ADDRESS_COLUMN[kind] for name, kind in eligibility.channels.items()}
    known = {name: pl.col(column) for name, column in columns.items() if column in batch.columns}
    channel = pl.coalesce(
        *(pl.when(address.is_not_null()).then(pl.lit(name)) for name, address in known.items()),
        pl.lit(next(iter(columns))),
    )
    nothing = {"outcome": pl.String, "reason": pl.String, "not_before": pl.Int64, "deferred": pl.String}
    return batch.with_columns(
        channel.alias("channel"),
        pl.coalesce(*(address.str.strip_chars() for address in known.values()), pl.lit("")).alias("address"),
        pl.lit("").alias("detail"),
        pl.lit("{}").alias("passed_over"),
        *(pl.lit(None, dtype=kind).alias(name) for name, kind in nothing.items()),
    )


def apply_caps(
    batch: pl.DataFrame, eligibility: EligibilityPolicy, connection: Connection, now: datetime, *, early: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The batch with `not_before` and `deferred` (a reason), and the messages that it displaces.

    Who is over a cap is refused, or waits as long as the file says. early: see `arbitration.judge_caps`.
    """
    open_ = batch.filter(pl.col("outcome").is_null())
    ours = {"due_at": pl.lit(to_millis(now)), "expected_value": pl.lit(None, dtype=pl.Float64)}
    open_ = open_.with_columns(value.alias(name) for name, value in ours.items() if name not in batch.columns)
    cap_request = eligibility.cap_request or CapRequest(eligibility.campaign, eligibility.topic, 0, ())
    found = judge_caps(open_, cap_request, connection, now=now, early=early, known_until=eligibility.known_until)
    told = pl.concat([found.refused, found.waits], how="diagonal").rename({"reason": "cap", "detail": "why"})
    batch = batch.join(told, on="customer_id", how="left", maintain_order="left")
    refused = pl.col("cap").is_not_null() & pl.col("not_before").is_null()
    batch = batch.with_columns(
        pl.when(refused).then(pl.lit("suppressed")).otherwise("outcome").alias("outcome"),
        pl.when(refused).then("cap").otherwise("reason").alias("reason"),
        pl.when(pl.col("cap").is_not_null()).then("why").otherwise("detail").alias("detail"),
        pl.when(~refused).then("cap").alias("deferred"),
    )
    return batch.drop("cap", "why"), found.displaced


def _choose_channel(batch: pl.DataFrame, eligibility: EligibilityPolicy, connection: Connection) -> pl.DataFrame:
    """The first usable channel; if there is none, the reason of the first channel. `passed_over`: why not others."""
    ids = batch["customer_id"].to_list()
    channels, topic, until = list(eligibility.channels), eligibility.topic, eligibility.known_until
    if until is None:
        words = consent.states(connection, ids, channels, topic)
    else:
        words = states_then(connection, ids, channels, topic, until=until)
    verdicts = [
        _judge_channel(batch, channel, kind, eligibility, words.filter(pl.col("channel") == channel), connection)
        for channel, kind in eligibility.channels.items()
    ]
    every = pl.concat(verdicts)
    best = every.sort("rank", maintain_order=True).unique("customer_id", keep="first", maintain_order=True)
    judged = batch.join(best.drop("rank", "candidate"), on="customer_id", how="left", maintain_order="left")
    if len(channels) == 1:
        return judged.with_columns(pl.lit("{}").alias("passed_over"))
    told = passed_over(every, best, channels)
    judged = judged.join(told, on="customer_id", how="left", maintain_order="left")
    return judged.with_columns(pl.col("passed_over").fill_null("{}"))


def _judge_channel(
    batch: pl.DataFrame,
    channel: str,
    kind: str,
    eligibility: EligibilityPolicy,
    words: pl.DataFrame,
    connection: Connection,
) -> pl.DataFrame:
    column = ADDRESS_COLUMN[kind]
    address = pl.col(column) if column in batch.columns else pl.lit(None, dtype=pl.String)
    frame = batch.select("customer_id", address.str.strip_chars().alias("address")).join(
        words.select("customer_id", "state"), on="customer_id", how="left", maintain_order="left"
    )
    known = frame["address"].drop_nulls().unique().to_list()
    if eligibility.known_until is None:
        suppressions = consent.suppressed(connection, known, channel, eligibility.topic)
    else:
        suppressions = suppressed_then(connection, known, channel, eligibility.topic, until=eligibility.known_until)
    suppression = pl.col("address").replace_strict(
        list(suppressions), [row.code for row in suppressions.values()], default=None, return_dtype=pl.String
    )
    unreachable = (
        pl.when(pl.col("address").is_null()).then(pl.lit("no_address"))
        .when(~pl.col("address").str.contains(_ADDRESS_SHAPE.get(kind, ""))).then(pl.lit("bad_address"))
    )  # fmt: skip
    withheld = consent_refusals(pl.col("state"), marketing=eligibility.marketing)
    judged = frame.with_columns(withheld.alias("withheld"), unreachable.alias("unreachable")).with_columns(
        pl.coalesce("withheld", "unreachable", suppression).alias("reason")
    )
    usable = pl.col("reason").is_null()
    is_unreachable = pl.col("withheld").is_null() & pl.col("unreachable").is_not_null()
    return judged.select(
        "customer_id",
        pl.when(usable).then(pl.lit(channel)).alias("channel"),
        pl.when(usable).then("address").alias("address"),
        pl.when(is_unreachable).then(pl.lit("unreachable")).when(~usable).then(pl.lit("suppressed")).alias("outcome"),
        "reason",
        pl.when(usable).then(pl.lit("")).otherwise(pl.lit(channel)).alias("detail"),
        (~usable).cast(pl.Int8).alias("rank"),
        pl.lit(channel).alias("candidate"),
    )


def _refuse(batch: pl.DataFrame, customers: Sequence[str], outcome: str, reason: str) -> pl.DataFrame:
    hit = pl.col("outcome").is_null() & pl.col("customer_id").is_in(list(customers))
    return batch.with_columns(
        pl.when(hit).then(pl.lit(outcome)).otherwise("outcome").alias("outcome"),
        pl.when(hit).then(pl.lit(reason)).otherwise("reason").alias("reason"),
    )


def _repeated_addresses(batch: pl.DataFrame, eligibility: EligibilityPolicy, connection: Connection) -> list[str]:
    """Customers whose address another member of the run has already, in this batch or an earlier one."""
    open_ = batch.filter(pl.col("outcome").is_null())
    open_ = open_.with_columns(normalised(open_["address"]).alias("recipient"))
    again = open_.filter(~pl.struct("channel", "recipient").is_first_distinct())["customer_id"].to_list()
    taken = connection.execute(
        sa.select(_message.c.recipient).where(
            _message.c.run_id == eligibility.run_id, _message.c.recipient.in_(open_["recipient"].to_list())
        )
    )
    return again + open_.filter(pl.col("recipient").is_in(list(taken.scalars())))["customer_id"].to_list()


def _re_entered(
    batch: pl.DataFrame, eligibility: EligibilityPolicy, connection: Connection, now: datetime
) -> list[str]:
    """Customers who got this campaign too recently, also under another id with the same address."""
    if eligibility.reentry.kind == "always":
        return []
    since = None if eligibility.reentry.after is None else now - eligibility.reentry.after
    ids, recipients = batch["customer_id"], normalised(batch["address"]).fill_null("")
    campaign, until = eligibility.campaign, eligibility.known_until
    known = decisions.find_entered(connection, ids.to_list(), campaign, since=since, until=until)
    known |= decisions.find_promised(
        connection, ids.to_list(), recipients.to_list(), campaign, since=since, until=until
    )
    return ids.filter(ids.is_in(list(known)) | recipients.is_in(list(known))).to_list()


def _ask(batch: pl.DataFrame, suppression: Suppression, now: datetime) -> pl.DataFrame:
    """A plugin may add reasons not to send; it can't take one away."""
    answer = ask_suppression(batch.filter(pl.col("outcome").is_null()), suppression, at=now, moment="decide")
    joined = batch.join(answer.rename({"detail": "its_detail"}), on="customer_id", how="left", maintain_order="left")
    hit = pl.col("outcome").is_null() & pl.col("code").is_not_null()
    return joined.with_columns(
        pl.when(hit).then(pl.lit("suppressed")).otherwise("outcome").alias("outcome"),
        pl.when(hit).then("code").otherwise("reason").alias("reason"),
        pl.when(hit).then("its_detail").otherwise("detail").alias("detail"),
    ).drop("code", "its_detail")
