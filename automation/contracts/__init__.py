"""What a plugin's component must do. Frames are Polars, ids `String`, instants aware UTC; columns are exact.

A wrong column, dtype, id, duplicate or NaN in an answer is a `ContractError`: the batch fails whole, it is never
patched. No component reads the clock, the store, or the project; everything it may know is handed to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from automation.contracts.channel import Channel, HandOver, ResolvingChannel
from automation.contracts.component import Component, Options
from automation.contracts.model import Model
from automation.contracts.offer_policy import OfferPolicy
from automation.contracts.reasons import HasReasons, ReasonFiles, ReasonTexts, reason_texts
from automation.contracts.recommender import Recommender
from automation.contracts.rule import Rule
from automation.contracts.segmenter import Segmenter
from automation.contracts.snapshot import Snapshot
from automation.contracts.source import Source
from automation.contracts.suppression import Suppression

__all__ = [
    "BY_KIND",
    "Channel",
    "Component",
    "HandOver",
    "HasReasons",
    "Model",
    "OfferPolicy",
    "Options",
    "ReasonFiles",
    "ReasonTexts",
    "Recommender",
    "ResolvingChannel",
    "Rule",
    "Segmenter",
    "Snapshot",
    "Source",
    "Suppression",
    "reason_texts",
]

BY_KIND: Mapping[str, type] = MappingProxyType(
    {
        "sources": Source,
        "rules": Rule,
        "segmenters": Segmenter,
        "recommenders": Recommender,
        "offer_policies": OfferPolicy,
        "suppressions": Suppression,
        "channels": Channel,
    }
)
"""The contract of each kind of component, by the name that its registering hook bears."""
