"""What a plugin's component must do. Frames are Polars, ids `String`, instants aware UTC; columns are exact.

A wrong column, dtype, id, duplicate or NaN in an answer is a `ContractError`: the batch fails whole and is never
repaired. No component reads the clock, the store or the project: everything that it needs is passed to it.
"""

from __future__ import annotations

from automation.contracts.channel import (
    Channel,
    DeclaresLive,
    HandOver,
    KnowsWithdrawn,
    ResolvingChannel,
    Withdrawn,
    is_live,
    may_leave,
)
from automation.contracts.component import Component, Options
from automation.contracts.model import JudgedModel, Model, judged_by
from automation.contracts.offer_policy import OfferPolicy
from automation.contracts.reasons import HasReasons, ReasonFiles, ReasonTexts, reason_texts
from automation.contracts.recommender import Recommender
from automation.contracts.rule import (
    ComparingRule,
    ComplementRule,
    Figure,
    MeasuringRule,
    NamesCondition,
    PredicateRule,
    ReadsTables,
    Rule,
    Tally,
    TallyRule,
    tables_read,
)
from automation.contracts.segmenter import Segmenter
from automation.contracts.shape import BY_KIND
from automation.contracts.snapshot import TABLES, Snapshot
from automation.contracts.source import Source
from automation.contracts.suppression import Suppression

__all__ = [
    "BY_KIND",
    "TABLES",
    "Channel",
    "ComparingRule",
    "ComplementRule",
    "Component",
    "DeclaresLive",
    "Figure",
    "HandOver",
    "HasReasons",
    "JudgedModel",
    "KnowsWithdrawn",
    "MeasuringRule",
    "Model",
    "NamesCondition",
    "OfferPolicy",
    "Options",
    "PredicateRule",
    "ReadsTables",
    "ReasonFiles",
    "ReasonTexts",
    "Recommender",
    "ResolvingChannel",
    "Rule",
    "Segmenter",
    "Snapshot",
    "Source",
    "Suppression",
    "Tally",
    "TallyRule",
    "Withdrawn",
    "is_live",
    "judged_by",
    "may_leave",
    "reason_texts",
    "tables_read",
]
