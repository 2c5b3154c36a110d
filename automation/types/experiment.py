"""A campaign's experiment: holdout, variants, winner and goal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from automation.types.grammar import FileModel
from automation.types.quantity import Duration, Percent


class Variant(FileModel):
    """One version of the message, for a share of the contacted customers."""

    share: Percent
    template: str | None = None
    subject: str | Mapping[str, str] | None = None


class Winner(FileModel):
    """Tests the variants on a part of the audience, and sends the best to the rest."""

    test_on: Percent
    after: Duration
    by: Literal["opens", "clicks", "conversions", "revenue", "profit"]
    otherwise: str


class Goal(FileModel):
    """What counts as a conversion, and within which time after the message."""

    did: str
    within: Duration
    measure: Literal["conversions", "revenue", "profit"] = "conversions"


class Experiment(FileModel):
    """How the campaign's effect is measured."""

    holdout: Percent | None = None
    variants: Mapping[str, Variant] = Field(default_factory=dict)
    allocate: Literal["fixed", "automatic"] = "fixed"
    winner: Winner | None = None
    goal: Goal | None = None
