"""What every offer policy must do, as one call: `check_offer_policy(MyPolicy, {...}, batch, offers)`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from automation.contracts import OfferPolicy, Snapshot
from automation.testing.toy_shop import toy_snapshot

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = ("customer_id", "offer", "probability", "expected_value", "expected_cost")


def check_offer_policy(
    policy: type[OfferPolicy],
    options: Mapping[str, Any] | BaseModel,
    batch: pl.DataFrame,
    offers: pl.DataFrame,
    *,
    data: Snapshot | None = None,
) -> pl.DataFrame:
    """Assert the contract of `automation.contracts.OfferPolicy`; returns the policy's choice for `batch`.

    options: as written, or validated. batch: customer_id, traits, and `when_<n>` for each condition of the options.
    offers: offer String, kind String, value Float64, expected_cost Float64; no_message and no_discount among them.
    data: what the policy is fitted on (the toy shop if none is given).

    Raises AssertionError saying what is wrong.
    """
    import polars as pl

    from automation.types.offer import NO_DISCOUNT, NO_MESSAGE

    assert {NO_DISCOUNT, NO_MESSAGE} <= set(offers["offer"]), "no_discount and no_message are always possible choices"
    settings = options if isinstance(options, BaseModel) else policy.Options.model_validate(dict(options))
    fitted, loaded = policy(settings), policy(settings)
    metrics = fitted.fit(toy_snapshot() if data is None else data, seed=1, parts={})
    assert all(isinstance(metric, float) for metric in metrics.values()), "fit() must return numbers"
    arrays = fitted.save()
    assert all(array.dtype.kind != "O" for array in arrays.values()), "save() gave an array of Python objects"
    loaded.load(arrays, parts={})
    plan = fitted.plan(iter([batch]), offers, budget=Decimal(1000), seed=1)
    chosen = _checked(fitted.choose(batch, offers, plan), batch, offers)
    again = _checked(loaded.choose(batch, offers, plan), batch, offers)
    assert chosen.sort("customer_id", "offer").equals(again.sort("customer_id", "offer")), (
        "a loaded model chose otherwise"
    )
    shuffled = _checked(fitted.choose(batch.reverse(), offers.reverse(), plan), batch, offers)
    assert chosen.sort("customer_id", "offer").equals(shuffled.sort("customer_id", "offer")), (
        "the order of rows mattered"
    )
    nobody = fitted.choose(batch.clear(), offers, plan)
    assert nobody.schema == chosen.schema, f"an empty batch gave the columns {nobody.schema}"
    assert not len(nobody.filter(pl.lit(True))), "an empty batch gave rows"
    return chosen


def _checked(chosen: pl.DataFrame, batch: pl.DataFrame, offers: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    text, number = pl.String(), pl.Float64()
    wanted = dict(zip(_COLUMNS, (text, text, number, number, number), strict=True))
    assert dict(chosen.schema) == wanted, f"choose() gave the columns {dict(chosen.schema)}, not {wanted}"
    pairs = set(chosen.select("customer_id", "offer").iter_rows())
    assert len(pairs) == len(chosen), "choose() gave a pair twice"
    every = {(customer, offer) for customer in batch["customer_id"] for offer in offers["offer"]}
    assert pairs == every, f"choose() left out or made up pairs: {sorted(pairs ^ every)[:5]}"
    numbers = chosen.select("probability", "expected_value", "expected_cost")
    assert not numbers.null_count().sum_horizontal().sum(), "choose() gave a null"
    assert all(column.is_finite().all() for column in numbers), "choose() gave a number that is not finite"
    assert chosen["probability"].is_between(0, 1).all(), "a probability is below 0 or above 1"
    sums = chosen.group_by("customer_id").agg(pl.col("probability").sum())["probability"]
    assert ((sums - 1).abs() <= 1e-9).all(), "a customer's probabilities don't sum to 1"
    return chosen
