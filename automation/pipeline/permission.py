"""Who may be contacted now, asked for every send: consent, address, suppression, one person one message, caps, plugins.

Refusals have codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
from automation.store.people import consent
from automation.store.people.known_then import states_then, suppressed_then
from automation.store.people.permission import consent_refusals
from automation.store.tables import Decision, Message
from automation.types.address import ADDRESS_COLUMN, normalised

_ADDRESS_SHAPE: Mapping[str, str] = {"email": r"^[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+$", "phone": r"^\+?\d{6,15}$"}
_decision, _message = table(Decision), table(Message)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class PermissionPolicy:
    """What a send demands of the people it goes to. `channels`: name → address kind, in order of preference."""

    campaign: str
    run_id: int
    topic: str
    marketing: bool
    channels: Mapping[str, Kind]
    cap_request: CapRequest | None = None
    """What it asks of the caps; None: no caps apply."""
    suppressions: Sequence[Suppression] = field(default_factory=tuple)
    objections: ObjectionPolicy | None = None
    """Whose no to profiling counts; None: config.yaml names no topic for it."""
    step: str | None = None
    """For people who come one by one: the step that no other customer with the same address may have had within a day.
    None: nobody of the whole run."""
    known_until: datetime | None = None
    """For a plan of an earlier time: only consents, suppressions and messages until then count."""


def choose_channel(
    batch: pl.DataFrame, permission: PermissionPolicy, connection: Connection, *, now: datetime
) -> pl.DataFrame:
    """The batch with `channel`, `address`, `outcome`, `reason`, `detail` and `passed_over`.

    outcome and reason are null where a channel may reach the customer, who does not object to being chosen by profiling
    and whose address no other member of the run has.
    """
    judged = _choose_channel(batch, permission, connection)
    if permission.objections is not None and permission.objections.profiles:
        objectors = find_objectors(batch, permission.objections, connection, known_until=permission.known_until)
        judged = refuse(judged, objectors, PROFILING)
    return refuse(judged, _repeated_addresses(judged, permission, connection, now), "duplicate_address")


def ask_suppressions(batch: pl.DataFrame, permission: PermissionPolicy, now: datetime) -> pl.DataFrame:
    """The batch with the refusals of plugins. A plugin may add a reason not to send; it can't take one away."""
    for suppression in permission.suppressions:
        answer = ask_suppression(batch.filter(pl.col("outcome").is_null()), suppression, at=now, moment="decide")
        told = answer.rename({"detail": "its_detail"})
        joined = batch.join(told, on="customer_id", how="left", maintain_order="left")
        hit = pl.col("outcome").is_null() & pl.col("code").is_not_null()
        batch = joined.with_columns(
            pl.when(hit).then(pl.lit("suppressed")).otherwise("outcome").alias("outcome"),
            pl.when(hit).then("code").otherwise("reason").alias("reason"),
            pl.when(hit).then("its_detail").otherwise("detail").alias("detail"),
        ).drop("code", "its_detail")
    return batch


def refuse(batch: pl.DataFrame, customers: Sequence[str], reason: str) -> pl.DataFrame:
    """The batch with these customers suppressed for this reason, unless they are refused already."""
    hit = pl.col("outcome").is_null() & pl.col("customer_id").is_in(list(customers))
    return batch.with_columns(
        pl.when(hit).then(pl.lit("suppressed")).otherwise("outcome").alias("outcome"),
        pl.when(hit).then(pl.lit(reason)).otherwise("reason").alias("reason"),
    )


def recommended_as_unknown(judged: pl.DataFrame, permission: PermissionPolicy, connection: Connection) -> list[str]:
    """Of those who may be contacted, the customers for whom nothing may be recommended from what they did."""
    if permission.objections is None:
        return []
    open_ = judged.filter(pl.col("outcome").is_null())
    return find_objectors(open_, permission.objections, connection, known_until=permission.known_until)


def apply_caps(
    batch: pl.DataFrame, permission: PermissionPolicy, connection: Connection, now: datetime, *, early: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The batch with `not_before` and `deferred` (a reason), and the messages that it displaces.

    Who is over a cap is refused, or waits as long as the file says. early: see `arbitration.judge_caps`.
    """
    open_ = batch.filter(pl.col("outcome").is_null())
    ours = {"due_at": pl.lit(to_millis(now)), "expected_value": pl.lit(None, dtype=pl.Float64)}
    open_ = open_.with_columns(value.alias(name) for name, value in ours.items() if name not in batch.columns)
    cap_request = permission.cap_request or CapRequest(permission.campaign, permission.topic, 0, ())
    found = judge_caps(open_, cap_request, connection, now=now, early=early, known_until=permission.known_until)
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


def _choose_channel(batch: pl.DataFrame, permission: PermissionPolicy, connection: Connection) -> pl.DataFrame:
    """The first usable channel; if there is none, the reason of the first channel. `passed_over`: why not others."""
    ids = batch["customer_id"].to_list()
    channels, topic, until = list(permission.channels), permission.topic, permission.known_until
    if until is None:
        words = consent.states(connection, ids, channels, topic)
    else:
        words = states_then(connection, ids, channels, topic, until=until)
    verdicts = [
        _judge_channel(batch, channel, kind, permission, words.filter(pl.col("channel") == channel), connection)
        for channel, kind in permission.channels.items()
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
    permission: PermissionPolicy,
    words: pl.DataFrame,
    connection: Connection,
) -> pl.DataFrame:
    column = ADDRESS_COLUMN[kind]
    address = pl.col(column) if column in batch.columns else pl.lit(None, dtype=pl.String)
    frame = batch.select("customer_id", address.str.strip_chars().alias("address")).join(
        words.select("customer_id", "state"), on="customer_id", how="left", maintain_order="left"
    )
    known = frame["address"].drop_nulls().unique().to_list()
    if permission.known_until is None:
        suppressions = consent.suppressed(connection, known, channel, permission.topic)
    else:
        suppressions = suppressed_then(connection, known, channel, permission.topic, until=permission.known_until)
    suppression = pl.col("address").replace_strict(
        list(suppressions), [row.code for row in suppressions.values()], default=None, return_dtype=pl.String
    )
    unreachable = (
        pl.when(pl.col("address").is_null()).then(pl.lit("no_address"))
        .when(~pl.col("address").str.contains(_ADDRESS_SHAPE.get(kind, ""))).then(pl.lit("bad_address"))
    )  # fmt: skip
    withheld = consent_refusals(pl.col("state"), marketing=permission.marketing)
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


def _repeated_addresses(
    batch: pl.DataFrame, permission: PermissionPolicy, connection: Connection, now: datetime
) -> list[str]:
    """Customers whose address another member of the run has already, in this batch or an earlier one."""
    open_ = batch.filter(pl.col("outcome").is_null())
    open_ = open_.with_columns(normalised(open_["address"]).alias("recipient"))
    again = open_.filter(~pl.struct("channel", "recipient").is_first_distinct())["customer_id"].to_list()
    taken = sa.select(_message.c.recipient, _message.c.customer_id).where(
        _message.c.run_id == permission.run_id, _message.c.recipient.in_(open_["recipient"].to_list())
    )
    if permission.step is None:
        known = {recipient for recipient, _ in connection.execute(taken)}
        return again + open_.filter(pl.col("recipient").is_in(list(known)))["customer_id"].to_list()
    lately = taken.join(_decision, _decision.c.id == _message.c.decision_id).where(
        _decision.c.step == permission.step, _decision.c.decided_at >= to_millis(now - _DAY)
    )
    schema = {"recipient": pl.String, "other": pl.String}
    others = pl.DataFrame(list(map(tuple, connection.execute(lately))), schema=schema, orient="row")
    same = open_.join(others, on="recipient").filter(pl.col("other") != pl.col("customer_id"))
    return again + same["customer_id"].unique(maintain_order=True).to_list()
