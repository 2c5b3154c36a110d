"""`top`: takes the best customers of an audience, by default of those who can get its message now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from sqlalchemy.engine import Connection

from automation.pipeline.eligibility import EligibilityPolicy, judge_eligibility
from automation.types.address import normalised
from automation.types.condition import Audience

_CHUNK = 10_000

Traits = Callable[[pl.Series], pl.DataFrame]
"""The customers of these ids with their traits, one row each, in any order."""


@dataclass(frozen=True)
class Reach:
    """By what it is judged whether a customer can get the message, and when."""

    policy: EligibilityPolicy
    reading: Callable[[], AbstractContextManager[Connection]]
    """Opens the store for reading, once for each chunk of customers, so that no snapshot of it stays open for long."""
    now: datetime


@dataclass(frozen=True)
class Narrowed:
    """How `top` narrowed an audience: of `ranked` customers with a value, `taken` were taken.

    passed_over: those who ranked high enough but can't get the message, by reason.
    """

    ranked: int
    taken: int
    passed_over: Mapping[str, int]


def take_top(ranked: pl.DataFrame, wanted: Audience, reach: Reach | None, traits: Traits) -> pl.DataFrame:
    """`customer_id`, `score`, `rank` (from 1), `reason` (why the message can't reach them; null else) and `taken`.

    ranked: customer_id and score, the best first. reach: None takes the best of everyone, as `top_of: everyone` does.
    The customers behind the last one taken are not judged, unless `top` is a share of those who can be reached.
    """
    placed = ranked.with_row_index("rank", offset=1).with_columns(pl.col("rank").cast(pl.Int64))
    refused: pl.DataFrame
    if reach is None or wanted.top_of == "everyone":
        refused = pl.DataFrame(schema={"customer_id": pl.String, "reason": pl.String})
    else:
        enough = wanted.top if isinstance(wanted.top, int) else ranked.height
        refused = _judge(ranked["customer_id"], enough, reach, traits)
    judged = placed.join(refused, on="customer_id", how="left", maintain_order="left")
    open_ = judged["reason"].is_null()
    assert wanted.top is not None
    most = wanted.top if isinstance(wanted.top, int) else wanted.top.count(int(open_.sum()))
    taken = open_ & (open_.cum_sum() <= most)
    return judged.with_columns(taken.alias("taken"))


def read_narrowed(audience: Path) -> Narrowed | None:
    """What a run's frame of `take_top` says, in numbers; None without `top`, or where the file is damaged."""
    try:
        places = pl.read_parquet(rank_file(audience))
    except (OSError, pl.exceptions.PolarsError):
        return None
    reasons = places.filter(pl.col("reason").is_not_null()).group_by("reason").len().sort("len", "reason")
    return Narrowed(places.height, int(places["taken"].sum()), dict(reasons.reverse().iter_rows()))


def rank_file(audience: Path) -> Path:
    """Where a run keeps the frame of `take_top`, beside its audience."""
    return audience.with_suffix(".ranks.parquet")


def _judge(ids: pl.Series, most: int, reach: Reach, traits: Traits) -> pl.DataFrame:
    """`customer_id`, `reason` of those who can't be reached, judged in order until `most` can be."""
    found = pl.DataFrame(schema={"customer_id": pl.String, "reason": pl.String})
    seen = pl.DataFrame(schema={"channel": pl.String, "recipient": pl.String})
    reached, at = 0, 0
    while at < ids.len() and reached < most:
        some = ids.slice(at, _CHUNK)
        at += _CHUNK
        rows = pl.DataFrame({"customer_id": some}).join(traits(some), on="customer_id", maintain_order="left")
        with reach.reading() as connection:
            judged = judge_eligibility(rows, reach.policy, connection, now=reach.now)
        judged = judged.with_columns(normalised(judged["address"]).alias("recipient"))
        known = seen.unique().with_columns(pl.lit("duplicate_address").alias("repeated"))
        judged = judged.join(known, on=["channel", "recipient"], how="left", maintain_order="left")
        open_ = judged.filter(pl.col("outcome").is_null() & pl.col("repeated").is_null())
        refused = judged.join(open_, on="customer_id", how="anti", maintain_order="left")
        found = pl.concat([found, refused.select("customer_id", pl.coalesce("reason", "repeated"))])
        seen = pl.concat([seen, open_.select("channel", "recipient")])
        reached += open_.height
    return found
