"""Frequency caps across all campaigns, and the guards that hold a run."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from automation.types.grammar import FileModel
from automation.types.limits import Cap
from automation.types.quantity import Duration, Percent


class Caps(FileModel):
    """The most marketing messages that one person gets, across all campaigns."""

    total: tuple[Cap, ...] = Field(default=(), description="caps on all marketing messages together")
    channels: Mapping[str, tuple[Cap, ...]] = Field(
        default_factory=dict, description="channel → caps on its marketing messages"
    )
    topics: Mapping[str, tuple[Cap, ...]] = Field(
        default_factory=dict, description="topic → caps on its messages, on all channels"
    )
    min_gap: Duration | None = Field(
        default=None, description="the minimum time between two marketing messages to one person"
    )
    look_ahead: Duration | None = Field(
        default=None, description="how long before its due time a higher-priority campaign reserves its cap slots"
    )


class RepeatGuard(FileModel):
    """Holds a run if many of its people just got the same campaign."""

    above: Percent = Field(default=Decimal("0.3"), description="the share of the audience above which a run is held")
    within: Duration | None = Field(
        default=None,
        description="how far back to look; by default half of the usual time between runs",
    )
    at_least: Annotated[int, Field(ge=1)] = Field(
        default=50, description="how many people must have got it before a run is held"
    )


class SizeGuard(FileModel):
    """Holds a run whose audience is unusually large for the campaign."""

    above: Annotated[float, Field(gt=1)] = Field(
        default=3.0, description="how many times the median audience of the last runs is unusual"
    )
    at_least: Annotated[int, Field(ge=1)] = Field(
        default=100, description="how large an audience must be before a run is held"
    )


class Guards(FileModel):
    """Checks that a run must pass before anybody is contacted."""

    repeat: RepeatGuard = Field(
        default=RepeatGuard(), description="holds a run if its people just got the same campaign"
    )
    size: SizeGuard = Field(
        default=SizeGuard(), description="holds a run whose audience is unusually large, or empty for the first time"
    )
    off: tuple[Literal["repeat", "size"], ...] = Field(default=(), description="guards to switch off")
