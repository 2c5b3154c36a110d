"""The core draws from a policy's probabilities, and refuses what can't be drawn from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from automation.contracts import Options
from automation.errors import ContractError
from automation.pipeline.offer import OfferContext, choose_offers, offers_frame
from automation.types.offer import Offer

OFFERS = {
    "pct10": Offer(name="pct10", kind="percent", value=Decimal("0.1"), label="10 % off", expected_cost=Decimal(6)),
    "pct20": Offer(name="pct20", kind="percent", value=Decimal("0.2"), label="20 % off", expected_cost=Decimal(12)),
}
BATCH = pl.DataFrame({"customer_id": [f"c{n}" for n in range(4_000)]})


class Lottery:
    """A policy that gives every customer the same probabilities."""

    Options = Options

    def __init__(self, probabilities: Mapping[str, float]) -> None:
        self.probabilities = probabilities

    def fit(self, data: Any, *, seed: int, parts: Any) -> Mapping[str, float]:
        return {}

    def save(self) -> Mapping[str, Any]:
        return {}

    def load(self, arrays: Any, *, parts: Any) -> None: ...

    def plan(self, audience: Iterator[pl.DataFrame], offers: Any, *, budget: Any, seed: int) -> Mapping[str, Any]:
        return {}

    def choose(self, batch: pl.DataFrame, offers: pl.DataFrame, plan: Mapping[str, Any]) -> pl.DataFrame:
        shares = {**dict.fromkeys(offers["offer"], 0.0), **self.probabilities}
        table = pl.DataFrame({"offer": list(shares), "probability": list(shares.values())})
        costs = table.join(offers.select("offer", "expected_cost"), on="offer", how="left", maintain_order="left")
        pairs = batch.select("customer_id").join(costs.fill_null(0.0), how="cross")
        return pairs.select("customer_id", "offer", "probability", pl.lit(0.0).alias("expected_value"), "expected_cost")


def context(**probabilities: float) -> OfferContext:
    policy: Any = Lottery(probabilities)
    return OfferContext("lottery", policy, offers_frame(OFFERS, ["pct10", "pct20"]), {})


def test_the_possible_choices_always_include_both_kinds_of_nothing() -> None:
    assert offers_frame(OFFERS, ["pct20", "no_message"]).rows() == [
        ("pct20", "percent", 0.2, 12.0), ("no_message", "none", 0.0, 0.0), ("no_discount", "none", 0.0, 0.0),
    ]  # fmt: skip


def test_draws_follow_the_probabilities() -> None:
    found = choose_offers(BATCH, context(pct10=0.25, pct20=0.15, no_discount=0.6), salt="run")
    shares = {offer: n / BATCH.height for offer, n in found["offer"].value_counts().iter_rows()}
    assert shares == pytest.approx({"pct10": 0.25, "pct20": 0.15, "no_discount": 0.6}, abs=0.03)
    by_offer = dict(found.select("offer", "offer_propensity").unique().iter_rows())
    assert by_offer == {"pct10": 0.25, "pct20": 0.15, "no_discount": 0.6}


def test_a_draw_depends_on_the_run_and_the_customer_alone() -> None:
    lottery = context(pct10=0.5, pct20=0.5)
    whole = choose_offers(BATCH, lottery, salt="run")
    part = choose_offers(BATCH.sample(100, seed=3), lottery, salt="run").join(whole, on="customer_id", suffix="_whole")
    assert (part["offer"] == part["offer_whole"]).all()
    assert choose_offers(BATCH, lottery, salt="other")["offer"].to_list() != whole["offer"].to_list()


def test_the_whole_distribution_is_recorded() -> None:
    found = choose_offers(BATCH.head(1), context(pct10=0.25, pct20=0.75), salt="run")
    assert json.loads(found["offer_probabilities"][0]) == [
        {"offer": "pct10", "probability": 0.25, "expected_value": 0.0, "expected_cost": 6.0},
        {"offer": "pct20", "probability": 0.75, "expected_value": 0.0, "expected_cost": 12.0},
    ]


def test_an_impossible_offer_is_never_drawn() -> None:
    found = choose_offers(BATCH, context(no_message=0.0, pct10=1.0, pct20=0.0), salt="run")
    assert set(found["offer"]) == {"pct10"}


@pytest.mark.parametrize(
    ("probabilities", "what"),
    [
        ({"pct10": 0.5, "pct20": 0.4}, "probabilities that do not sum to 1"),
        ({"pct10": 1.5, "pct20": -0.5}, "a probability outside 0 to 1"),
        ({"pct10": float("nan"), "pct20": 0.5}, "a number that is not finite"),
        ({"pct30": 1.0}, "an offer that it was not given"),
    ],
)
def test_what_cannot_be_drawn_from_fails_the_batch(probabilities: Mapping[str, float], what: str) -> None:
    with pytest.raises(ContractError, match=f"offer policy lottery returned {what}"):
        choose_offers(BATCH, context(**probabilities), salt="run")


def test_the_answer_must_be_about_exactly_the_batch() -> None:
    class Forgetful(Lottery):
        def choose(self, batch: pl.DataFrame, offers: pl.DataFrame, plan: Mapping[str, Any]) -> pl.DataFrame:
            return super().choose(batch.head(3), offers, plan)

    policy: Any = Forgetful({"pct10": 1.0})
    with pytest.raises(ContractError, match="not exactly the batch's customers"):
        choose_offers(BATCH, OfferContext("forgetful", policy, offers_frame(OFFERS, ["pct10"]), {}), salt="run")
