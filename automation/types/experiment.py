"""How a campaign learns: holdout, variants, winner and goal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from automation.types.grammar import Grammar
from automation.types.quantity import Duration, Percent


class Variant(Grammar):
    share: Percent
    template: str | None = None
    subject: str | Mapping[str, str] | None = None


class Winner(Grammar):
    test_on: Percent
    after: Duration
    by: Literal["opens", "clicks", "conversions", "revenue", "profit"]
    otherwise: str


class Goal(Grammar):
    did: str
    within: Duration
    measure: Literal["conversions", "revenue", "profit"] = "conversions"


class Experiment(Grammar):
    holdout: Percent | None = None
    variants: Mapping[str, Variant] = Field(default_factory=dict)
    allocate: Literal["fixed", "automatic"] = "fixed"
    winner: Winner | None = None
    goal: Goal | None = None
