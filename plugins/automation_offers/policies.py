"""`fixed` and `rules`: the choice is certain, so every probability is 0 or 1."""

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
"""Of config.yaml's `offers:`, or `no_message`, or `no_discount`."""


class _Certain:
    """What both policies share: nothing to learn, nothing to plan, nothing expected beyond the offer's own cost."""

    def fit(self, data: Snapshot, *, seed: int, parts: Mapping[str, Model]) -> Mapping[str, float]:
        """Nothing to learn; no metrics."""
        return {}

    def save(self) -> Mapping[str, np.ndarray[Any, Any]]:
        """No arrays."""
        return {}

    def load(self, arrays: Mapping[str, np.ndarray[Any, Any]], *, parts: Mapping[str, Model]) -> None:
        """Nothing to take back."""

    def plan(
        self, audience: Iterator[pl.DataFrame], offers: pl.DataFrame, *, budget: Decimal | None, seed: int
    ) -> Mapping[str, JsonValue]:
        """Nothing to plan; the audience is not read. The budget's hard limit is the core's."""
        return {}


class FixedOptions(Options):
    """`{offer: pct10}`: the offer's name in config.yaml, `no_discount` or `no_message`."""

    offer: OfferName


class Fixed(_Certain):
    """Gives everybody the same offer; a campaign's `offer: {fixed: pct10}` is this policy."""

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

        return _certain(batch, offers, pl.lit(self.options.offer), [self.options.offer])


class Choice(Options):
    """`{if: <condition>, give: pct10}`, or last `{otherwise: no_discount}`."""

    if_: InstanceOf[Leaf] | InstanceOf[Group] | None = Field(default=None, alias="if")
    give: OfferName | None = None
    otherwise: OfferName | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Choice:
        conditional = self.if_ is not None and self.give is not None and self.otherwise is None
        final = self.if_ is None and self.give is None and self.otherwise is not None
        if not (conditional or final):
            raise ValueError("write {if: a condition, give: an offer}, or as the last {otherwise: an offer}")
        return self

    @property
    def offer(self) -> str:
        """The offer that this line gives."""
        offer = self.otherwise if self.if_ is None else self.give
        assert offer is not None
        return offer


class FirstMatchOptions(Options):
    """`{first_of: [{if: {profile: monetary, at_least: 500}, give: pct20}, {otherwise: no_discount}]}`."""

    first_of: tuple[Choice, ...]

    @field_validator("first_of")
    @classmethod
    def _otherwise_is_last(cls, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
        if not choices:
            raise ValueError("the list is empty; write at least {otherwise: an offer}")
        if any(choice.if_ is None for choice in choices[:-1]):
            raise ValueError("otherwise stands last: what follows it would never be given")
        return choices


class FirstMatch(_Certain):
    """Gives the offer of the first condition that holds; without any, `otherwise`, or else no discount."""

    Options: ClassVar[type[BaseModel]] = FirstMatchOptions

    def __init__(self, options: FirstMatchOptions) -> None:
        self.options = options

    def choose(self, batch: pl.DataFrame, offers: pl.DataFrame, plan: Mapping[str, JsonValue]) -> pl.DataFrame:
        """Every customer × every offer: probability 1.0 for the first match's offer, 0.0 for the others.

        batch: customer_id String, and Boolean `when_<n>` for every condition in the order of `first_of`.
        offers and what it returns: as `Fixed.choose`. Raises `ConfigurationError` if an offer is not among `offers`.
        """
        import polars as pl

        *_, last = choices = self.options.first_of
        fallback = last.offer if last.if_ is None else NO_DISCOUNT
        chosen = pl.lit(fallback)
        conditional = [choice for choice in choices if choice.if_ is not None]
        for n, choice in reversed(list(enumerate(conditional))):
            chosen = pl.when(pl.col(f"when_{n}")).then(pl.lit(choice.offer)).otherwise(chosen)
        return _certain(batch, offers, chosen, [*(choice.offer for choice in conditional), fallback])


def _certain(batch: pl.DataFrame, offers: pl.DataFrame, chosen: pl.Expr, named: list[str]) -> pl.DataFrame:
    """Probability 1 for the chosen offer of each customer."""
    import polars as pl

    possible = offers["offer"].to_list()
    missing = sorted(set(named) - set(possible))
    if missing:
        raise ConfigurationError(
            f"the offer policy gives {', '.join(missing)}, which the campaign may not choose; "
            f"it may choose {', '.join(possible)}"
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
