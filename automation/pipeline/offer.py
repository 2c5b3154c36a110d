"""Chooses offers: the campaign's policy gives probabilities for a batch, and the core draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from pydantic import JsonValue

from automation.contracts import OfferPolicy
from automation.contracts.answers import check_choices
from automation.ids import shares
from automation.types.offer import NO_DISCOUNT, NO_MESSAGE, Offer


@dataclass(frozen=True)
class OfferContext:
    """The policy of a run, the offers that it chooses among, and its plan for this run."""

    name: str
    policy: OfferPolicy
    offers: pl.DataFrame
    plan: Mapping[str, JsonValue]


def offers_frame(offers: Mapping[str, Offer], choose: Sequence[str]) -> pl.DataFrame:
    """offer, kind, value, expected_cost of every possible choice."""
    rows = [
        (name, offers[name].kind, float(offers[name].value), float(offers[name].expected_cost or 0))
        if name in offers
        else (name, "none", 0.0, 0.0)
        for name in dict.fromkeys((*choose, NO_DISCOUNT, NO_MESSAGE))
    ]
    schema = {"offer": pl.String, "kind": pl.String, "value": pl.Float64, "expected_cost": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def choose_offers(batch: pl.DataFrame, context: OfferContext, *, salt: str) -> pl.DataFrame:
    """The batch with `offer`, `offer_propensity`, `offer_probabilities` (JSON of the whole distribution) and
    `expected_value`, the mean over that distribution."""
    answer = context.policy.choose(batch, context.offers, context.plan)
    check_choices(answer, f"offer policy {context.name}", batch["customer_id"], context.offers["offer"])
    wide = answer.sort("customer_id", "offer").with_columns(
        pl.col("probability").cum_sum().over("customer_id").alias("edge"),
        pl.Series("draw", shares(f"{salt}:offer", answer.sort("customer_id", "offer")["customer_id"])),
    )
    last = pl.col("edge") == pl.col("edge").max().over("customer_id")
    possible = wide.filter(pl.col("probability") > 0).filter((pl.col("draw") < pl.col("edge")) | last)
    drawn = possible.unique("customer_id", keep="first", maintain_order=True)
    spread = answer.filter(pl.col("probability") > 0).sort("customer_id", "offer").group_by(
        "customer_id", maintain_order=True
    ).agg(
        pl.struct("offer", "probability", "expected_value", "expected_cost").alias("all"),
        (pl.col("probability") * pl.col("expected_value")).sum().alias("expected_value"),
    )  # fmt: skip
    encoded = spread.select(
        "customer_id",
        "expected_value",
        pl.struct("all").struct.json_encode().str.slice(len('{"all":')).str.head(-1).alias("offer_probabilities"),
    )
    chosen = drawn.select("customer_id", "offer", pl.col("probability").alias("offer_propensity"))
    both = chosen.join(encoded, on="customer_id", maintain_order="left")
    return batch.join(both, on="customer_id", how="left", maintain_order="left")
