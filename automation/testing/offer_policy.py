"""What every offer policy must do, as one call: `check_offer_policy(MyPolicy, {...}, batch, offers)`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, JsonValue

from automation.contracts import OfferPolicy, Snapshot
from automation.contracts.answers import check_arrays, check_choices, check_metrics, check_plan
from automation.testing.promises import check_light_import, check_options, keep, require, through_file
from automation.testing.toy_shop import toy_snapshot
from automation.types.offer import NO_DISCOUNT, NO_MESSAGE

if TYPE_CHECKING:
    import polars as pl


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

    Checked: options are frozen and strict; the module imports nothing heavy; metrics are finite; the plan is JSON; the
    form of the answer; that a policy that was saved and loaded, and rows in another order, give the same answer; that
    an empty batch gives no rows. Raises AssertionError, saying which of these is broken.
    """
    always = {NO_DISCOUNT, NO_MESSAGE}
    require(always <= set(offers["offer"]), "no_discount and no_message are always possible choices")
    check_options(policy)
    check_light_import(policy)
    settings = options if isinstance(options, BaseModel) else policy.Options.model_validate(dict(options))
    who = f"offer policy {policy.__name__}"
    fitted, loaded = policy(settings), policy(settings)
    keep(check_metrics, fitted.fit(toy_snapshot() if data is None else data, seed=1, parts={}), who)
    keep(check_arrays, fitted.save(), who)
    loaded.load(through_file(fitted.save()), parts={})
    plan = fitted.plan(iter([batch]), offers, budget=Decimal(1000), seed=1)
    keep(check_plan, plan, who)
    chosen = _choose(fitted, batch, offers, plan)
    require(_same(chosen, _choose(loaded, batch, offers, plan)), "a loaded model chose otherwise")
    shuffled = _choose(fitted, batch.reverse(), offers.reverse(), plan)
    require(_same(chosen, shuffled), "the order of rows mattered")
    nobody = _choose(fitted, batch.clear(), offers, plan)
    require(nobody.is_empty(), "an empty batch gave rows")
    return chosen


def _choose(
    policy: OfferPolicy, batch: pl.DataFrame, offers: pl.DataFrame, plan: Mapping[str, JsonValue]
) -> pl.DataFrame:
    answer = policy.choose(batch, offers, plan)
    who = f"offer policy {type(policy).__name__}"
    keep(check_choices, answer, who, batch["customer_id"], offers["offer"])
    return answer


def _same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Equal but for the order of rows."""
    return one.sort("customer_id", "offer").equals(other.sort("customer_id", "offer"))
