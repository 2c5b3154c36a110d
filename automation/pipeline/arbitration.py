"""Which campaign sends where several want the same cap slot.

A cap holds if no span as long as its window, wherever it begins, has more messages than the cap allows. If a message
would break a cap, lower-ranked campaigns give up messages that are still queued, the lowest first; if that is not
enough, the message itself waits as long as its campaign allows, or is refused. Campaigns rank by priority, and at equal
priority by the offer policy's expected value for the customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl
from sqlalchemy.engine import Connection

from automation.clock import from_millis, in_millis, to_millis
from automation.pipeline.caps import DEFERRED_BY_CAP, CapRequest, CapRule
from automation.store.ledger import cap_slots
from automation.types.address import normalised


@dataclass(frozen=True)
class CapVerdicts:
    """refused: customer_id, reason, detail. waits: the same and not_before (milliseconds). displaced: message_id,
    campaign, to, until (null: it is lost): the messages of other campaigns that are displaced."""

    refused: pl.DataFrame
    waits: pl.DataFrame
    displaced: pl.DataFrame


def judge_caps(
    batch: pl.DataFrame,
    cap_request: CapRequest,
    connection: Connection,
    *,
    now: datetime,
    early: bool,
    known_until: datetime | None = None,
) -> CapVerdicts:
    """The verdicts of the caps on a batch. One query, whatever the number of customers and of caps.

    batch: customer_id, channel, address, due_at (milliseconds), expected_value Float64?. early: the expected value is
    not known yet, so a campaign of equal priority may still rank lower; nobody is refused who might still be sent.
    known_until: messages that were due later don't count.
    """
    if not cap_request.rules or batch.is_empty():
        return empty_verdicts()
    people = batch.select("customer_id", normalised(batch["address"]).fill_null("").alias("recipient"))
    longest = max(rule.window for rule in cap_request.rules)
    first = min(int(str(batch["due_at"].min())), to_millis(now))
    found = cap_slots.read_cap_entries(connection, people, since=from_millis(first) - longest, now=now)
    if known_until is not None:
        found = found.filter(pl.col("at") <= to_millis(known_until))
    taken = pl.concat([found.filter(pl.col("campaign").is_not_null()), *_upcoming(batch, cap_request)])
    asking = batch.select("customer_id", pl.col("due_at").alias("at"), "channel", "expected_value")
    return _settle(asking, taken, cap_request, now=now, early=early)


def _upcoming(batch: pl.DataFrame, cap_request: CapRequest) -> list[pl.DataFrame]:
    """The cap slots of upcoming runs, as if their messages were planned."""
    frames = []
    for run in cap_request.upcoming:
        members = batch.filter(_is_member(batch["customer_id"], run.members))
        frames.append(
            members.select(
                "customer_id", pl.lit(f"upcoming:{run.campaign}").alias("message_id"),
                pl.lit(run.campaign).alias("campaign"), pl.lit(run.topic).alias("topic"),
                pl.lit(run.channel).alias("channel"), pl.lit(to_millis(run.due_at)).alias("at"),
                pl.lit(run.priority).alias("priority"), pl.lit(None).alias("expected_value"),
                pl.lit(None).alias("wait_until"), pl.lit(value=True).alias("open"),
            ).cast(cap_slots.SCHEMA)  # type: ignore[arg-type]  # a mapping of names to types is one
        )  # fmt: skip
    return frames


def _is_member(ids: pl.Series, members: pl.Series) -> pl.Series:
    """Which of the ids are among the sorted members, without a look at all of them for every batch."""
    if members.is_empty():
        return pl.repeat(value=False, n=len(ids), eager=True)
    places = members.search_sorted(ids).clip(upper_bound=len(members) - 1)
    return members.gather(places) == ids


def _settle(
    asking: pl.DataFrame, taken: pl.DataFrame, cap_request: CapRequest, *, now: datetime, early: bool
) -> CapVerdicts:
    whole, gone, stuck = taken, taken.clear(), asking.clear()
    blocking = _blocking(asking, taken, cap_request.rules)
    reasons: list[pl.DataFrame] = []
    while not blocking.is_empty():
        weighed = blocking.join(asking.select("customer_id", mine="expected_value"), on="customer_id").with_columns(
            _yields(cap_request, early=early).alias("yields")
        )
        free = weighed.group_by("customer_id", "span").agg(pl.col("yields").any())
        hopeless = free.filter(~pl.col("yields"))["customer_id"].unique()
        stuck = pl.concat([stuck, asking.filter(pl.col("customer_id").is_in(hopeless.implode()))])
        reasons.append(weighed.join(free.filter(~pl.col("yields")), on=["customer_id", "span"], how="semi"))
        least = (
            weighed.filter(pl.col("yields") & ~pl.col("customer_id").is_in(hopeless.implode()))
            .sort("priority", pl.col("expected_value"), pl.col("at"), descending=[False, False, True], nulls_last=False)
            .unique("customer_id", keep="first", maintain_order=True)
        )
        pairs = ["customer_id", "message_id"]
        gone = pl.concat([gone, taken.join(least.select(pairs), on=pairs, how="semi")])
        taken = taken.join(least.select(pairs), on=pairs, how="anti")
        open_ = asking.filter(~pl.col("customer_id").is_in(stuck["customer_id"].implode()))
        blocking = _blocking(open_, taken, cap_request.rules)
    lost = stuck["customer_id"].implode()
    gone = gone.filter(~pl.col("customer_id").is_in(lost))
    taken = taken.filter(~pl.col("customer_id").is_in(lost))
    displaced = _displaced(asking, gone, taken, cap_request)
    if stuck.is_empty():
        return replace(empty_verdicts(), displaced=displaced)
    return CapVerdicts(*_waits_or_not(stuck, pl.concat(reasons), whole, cap_request, now), displaced)


def _yields(cap_request: CapRequest, *, early: bool) -> pl.Expr:
    """Whether a planned message gives its cap slot up: it is still queued and ranks lower."""
    other = (
        pl.col("open")
        & (pl.col("campaign") != cap_request.campaign)
        & ~pl.col("message_id").str.starts_with("upcoming:")
    )
    known = pl.col("expected_value").is_not_null()
    less_value = known if early else known & pl.col("mine").is_not_null() & (pl.col("expected_value") < pl.col("mine"))
    return other & (
        (pl.col("priority") < cap_request.priority) | ((pl.col("priority") == cap_request.priority) & less_value)
    )


def _blocking(asking: pl.DataFrame, taken: pl.DataFrame, rules: Sequence[CapRule]) -> pl.DataFrame:
    """The sends in each span that would hold too many: the columns of `taken`, rule, span."""
    parts = [_over(asking, taken, rule, number) for number, rule in enumerate(rules)]
    return pl.concat(parts)


def _over(asking: pl.DataFrame, taken: pl.DataFrame, rule: CapRule, number: int) -> pl.DataFrame:
    """Every run of `sends` + 1 consecutive messages around the asked one that fits into the window."""
    its = asking if rule.channel is None else asking.filter(pl.col("channel") == rule.channel)
    relevant = taken.filter(rule.counts()).join(its.select("customer_id"), on="customer_id", how="semi")
    asked = its.join(relevant.select("customer_id").unique(), on="customer_id", how="semi")
    mine = asked.select("customer_id", "at", pl.lit(value=True).alias("mine"))
    rows = pl.concat([relevant.with_columns(pl.lit(value=False).alias("mine")), mine], how="diagonal").sort(
        "customer_id", "at", "mine", "message_id"
    )
    place = pl.int_range(pl.len()).over("customer_id")
    rows = rows.with_columns(
        place.alias("place"),
        (pl.col("at").shift(-rule.sends).over("customer_id") - pl.col("at") < rule.millis).alias("full"),
    ).with_columns(pl.col("place").filter("mine").first().over("customer_id").alias("mid"))
    around = pl.col("place").is_between(pl.col("mid") - rule.sends, pl.col("mid"))
    spans = rows.filter(pl.col("full") & around).select("customer_id", pl.col("place").alias("start"))
    inside = rows.filter(~pl.col("mine")).join(spans, on="customer_id").filter(
        pl.col("place").is_between(pl.col("start"), pl.col("start") + rule.sends)
    )  # fmt: skip
    span = pl.concat_str(pl.lit(f"{number}:"), pl.col("start").cast(pl.String)).alias("span")
    return inside.select(*cap_slots.SCHEMA.keys(), pl.lit(number, dtype=pl.Int32).alias("rule"), span)


def _waits_or_not(
    stuck: pl.DataFrame, reasons: pl.DataFrame, taken: pl.DataFrame, cap_request: CapRequest, now: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Who is refused, and who waits for a cap slot that becomes free in time."""
    frees = _free_from(stuck, taken, cap_request.rules).join(
        _explain(reasons, cap_request), on="customer_id", how="left"
    )
    frees = frees.join(stuck.select("customer_id", asked="at"), on="customer_id")
    wait = in_millis(cap_request.wait or timedelta(0))
    latest = pl.max_horizontal("asked", pl.lit(to_millis(now))) + wait
    in_time = pl.lit(value=False) if cap_request.wait is None else pl.col("not_before") <= latest
    put_off = pl.when(pl.col("reason") == cap_slots.LOST).then(pl.lit(cap_slots.DEFERRED))
    waits = frees.filter(in_time).with_columns(put_off.otherwise(pl.lit(DEFERRED_BY_CAP)).alias("reason"))
    told = ["customer_id", "reason", "detail"]
    return frees.filter(~in_time).select(told), waits.select([*told, "not_before"])


def _explain(reasons: pl.DataFrame, cap_request: CapRequest) -> pl.DataFrame:
    """customer_id, reason and detail: the campaign that keeps the cap slot, or else the cap that is full."""
    codes = [rule.code for rule in cap_request.rules]
    names = [rule.name for rule in cap_request.rules]
    rival = pl.col("open") & (pl.col("campaign") != cap_request.campaign)
    best = reasons.with_columns(
        rival.any().over("customer_id", "span").alias("lost"),
        rival.alias("rival"),
        pl.col("rule").replace_strict(list(range(len(codes))), codes, return_dtype=pl.String).alias("code"),
        pl.col("rule").replace_strict(list(range(len(names))), names, return_dtype=pl.String).alias("name"),
    ).sort("customer_id", "lost", ~pl.col("rival"), -pl.col("priority"), "rule")  # a full cap without a rival first
    first = best.unique("customer_id", keep="first", maintain_order=True)
    return first.select(
        "customer_id",
        pl.when("rival").then(pl.lit(cap_slots.LOST)).otherwise("code").alias("reason"),
        pl.when("rival").then("campaign").otherwise("name").alias("detail"),
    )


def _free_from(asking: pl.DataFrame, taken: pl.DataFrame, rules: Sequence[CapRule]) -> pl.DataFrame:
    """customer_id and not_before: the time from which every cap has room, given all planned messages."""
    parts = [asking.select("customer_id", pl.col("at").alias("not_before"))]
    for rule in rules:
        its = asking if rule.channel is None else asking.filter(pl.col("channel") == rule.channel)
        relevant = taken.filter(rule.counts()).join(its.select("customer_id", asked="at"), on="customer_id")
        near = relevant.filter(pl.col("at") > pl.col("asked") - rule.millis).sort("customer_id", -pl.col("at"))
        last = near.with_columns(pl.int_range(pl.len()).over("customer_id").alias("nth")).filter(
            pl.col("nth") == rule.sends - 1
        )
        parts.append(last.select("customer_id", (pl.col("at") + rule.millis).alias("not_before")))
    return pl.concat(parts).group_by("customer_id", maintain_order=True).agg(pl.col("not_before").max())


def _displaced(asking: pl.DataFrame, gone: pl.DataFrame, taken: pl.DataFrame, cap_request: CapRequest) -> pl.DataFrame:
    """The displaced messages. Of several for one customer the strongest may wait; the others are lost."""
    schema = {"message_id": pl.String, "campaign": pl.String, "to": pl.String, "until": pl.Int64}
    if gone.is_empty():
        return pl.DataFrame(schema=schema)
    mine = asking.join(gone.select("customer_id").unique(), on="customer_id", how="semi")
    promised = mine.select(
        "customer_id", pl.lit("mine").alias("message_id"), pl.lit(cap_request.campaign).alias("campaign"),
        pl.lit(cap_request.topic).alias("topic"), "channel", "at",
    )  # fmt: skip
    whole = pl.concat([taken, promised], how="diagonal")
    strongest = gone.sort("priority", "expected_value", descending=True, nulls_last=True).unique(
        "customer_id", keep="first", maintain_order=True
    )
    until = []
    for (campaign,), part in strongest.group_by("campaign"):
        rules = cap_request.others.get(str(campaign), cap_request.rules)
        frees = _free_from(part.select("customer_id", "at", "channel"), whole, rules)
        until.append(part.select("customer_id", "message_id", "wait_until").join(frees, on="customer_id"))
    later = pl.concat(until).filter(pl.col("not_before") <= pl.col("wait_until"))
    answer = gone.join(later.select("message_id", until="not_before"), on="message_id", how="left")
    return answer.select("message_id", "campaign", pl.lit(cap_request.campaign).alias("to"), "until").unique(
        "message_id"
    )


def empty_verdicts() -> CapVerdicts:
    told = {"customer_id": pl.String(), "reason": pl.String(), "detail": pl.String()}
    displaced = {"message_id": pl.String, "campaign": pl.String, "to": pl.String, "until": pl.Int64}
    return CapVerdicts(
        pl.DataFrame(schema=told),
        pl.DataFrame(schema={**told, "not_before": pl.Int64()}),
        pl.DataFrame(schema=displaced),
    )
