"""The offer policies `fixed` and `rules`. They are deterministic: every probability is 0 or 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, Field, InstanceOf, JsonValue, field_validator, model_validator

from automation.contracts import Model, Options, Snapshot
from automation.errors import ConfigurationError
from automation.types.condition import Group, Leaf
from automation.types.grammar import Names
from automation.types.offer import NO_DISCOUNT

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


OfferName = Annotated[str, Names("offers")]
"""The name of an offer in config.yaml's `offers:`, or `no_message`, or `no_discount`."""


class _Deterministic:
    """The methods that both policies share: no training and no plan."""

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Nothing to train. Returns no metrics."""
        return {}

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """Returns no arrays."""
        return {}

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Nothing to load."""

    def plan(
        self, audience: Iterator[pl.DataFrame], offers: pl.DataFrame, *, budget: Decimal | None, seed: int
    ) -> Mapping[str, JsonValue]:
        """Returns an empty plan without reading the audience. The core enforces the budget."""
        return {}


class FixedOptions(Options):
    """`{offer: pct10}`: the name of an offer in config.yaml, `no_discount` or `no_message`."""

    offer: OfferName


class Fixed(_Deterministic):
    """Gives everybody the same offer. A campaign selects it with `offer: {fixed: pct10}`."""

    Options: ClassVar[type[BaseModel]] = FixedOptions

    def __init__(self, options: FixedOptions) -> None:
        self.options = options

    def choose(self, batch: pl.DataFrame, offers: pl.DataFrame, plan: Mapping[str, JsonValue]) -> pl.DataFrame:
        """Every customer × every offer: probability 1.0 for the offer, 0.0 for the others.

        batch: customer_id String. offers: offer String, kind String, value, expected_cost numeric.
        Returns customer_id String, offer String, probability Float64, expected_value Float64 (0.0: not estimated),
        expected_cost Float64. Raises `ConfigurationError` if the offer is not among `offers`.
        """
        import polars as pl

        return _assign_offers(batch, offers, pl.lit(self.options.offer), [self.options.offer])


class OfferRule(Options):
    """`{if: <condition>, give: pct10}`, or as the last rule `{otherwise: no_discount}`."""

    if_: InstanceOf[Leaf] | InstanceOf[Group] | None = Field(default=None, alias="if")
    give: OfferName | None = None
    otherwise: OfferName | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> OfferRule:
        conditional = self.if_ is not None and self.give is not None and self.otherwise is None
        final = self.if_ is None and self.give is None and self.otherwise is not None
        if not (conditional or final):
            raise ValueError("write {if: a condition, give: an offer}, or as the last rule {otherwise: an offer}")
        return self

    @property
    def offer(self) -> str:
        """The offer that this rule gives."""
        offer = self.otherwise if self.if_ is None else self.give
        assert offer is not None
        return offer


class FirstMatchOptions(Options):
    """`{first_of: [{if: {profile: monetary, at_least: 500}, give: pct20}, {otherwise: no_discount}]}`."""

    first_of: tuple[OfferRule, ...]

    @field_validator("first_of")
    @classmethod
    def _otherwise_is_last(cls, rules: tuple[OfferRule, ...]) -> tuple[OfferRule, ...]:
        if not rules:
            raise ValueError("the list is empty; write at least {otherwise: an offer}")
        if any(rule.if_ is None for rule in rules[:-1]):
            raise ValueError("otherwise must be the last rule; rules after it would never apply")
        return rules


class FirstMatch(_Deterministic):
    """Gives the offer of the first rule whose condition is met; if none is, `otherwise`, by default no discount."""

    Options: ClassVar[type[BaseModel]] = FirstMatchOptions

    def __init__(self, options: FirstMatchOptions) -> None:
        self.options = options

    def choose(self, batch: pl.DataFrame, offers: pl.DataFrame, plan: Mapping[str, JsonValue]) -> pl.DataFrame:
        """Every customer × every offer: probability 1.0 for the first match's offer, 0.0 for the others.

        batch: customer_id String, and a Boolean column `when_<n>` for each condition, in the order of `first_of`.
        offers, result: as in `Fixed.choose`. Raises `ConfigurationError` if an offer is not among `offers`.
        """
        import polars as pl

        *_, last = rules = self.options.first_of
        fallback = last.offer if last.if_ is None else NO_DISCOUNT
        chosen = pl.lit(fallback)
        conditional = [rule for rule in rules if rule.if_ is not None]
        for n, rule in reversed(list(enumerate(conditional))):
            chosen = pl.when(pl.col(f"when_{n}")).then(pl.lit(rule.offer)).otherwise(chosen)
        return _assign_offers(batch, offers, chosen, [*(rule.offer for rule in conditional), fallback])


def _assign_offers(batch: pl.DataFrame, offers: pl.DataFrame, chosen: pl.Expr, used: list[str]) -> pl.DataFrame:
    """Probability 1 for the chosen offer of each customer, 0 for the others."""
    import polars as pl

    possible = offers["offer"].to_list()
    missing = sorted(set(used) - set(possible))
    if missing:
        raise ConfigurationError(
            f"the offer policy gives {', '.join(missing)}, which the campaign does not allow; "
            f"allowed: {', '.join(possible)}"
        )
    costs = offers.select("offer", pl.col("expected_cost").cast(pl.Float64).fill_null(0.0))
    pairs = batch.select("customer_id", chosen.alias("chosen")).join(costs, how="cross")
    return pairs.select(
        "customer_id",
        "offer",
        (pl.col("offer") == pl.col("chosen")).cast(pl.Float64).alias("probability"),
        pl.lit(0.0).alias("expected_value"),
        "expected_cost",
    )
