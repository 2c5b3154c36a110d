"""What config.yaml says to keep a shop safe: caps over all campaigns, guards that hold a run, and testing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from automation.types.grammar import Grammar
from automation.types.limits import Cap
from automation.types.quantity import Duration, Percent


class Caps(Grammar):
    """How many marketing messages one person gets at most, whatever the campaigns."""

    total: tuple[Cap, ...] = Field(default=(), description="of all marketing topics on all channels together")
    channels: Mapping[str, tuple[Cap, ...]] = Field(
        default_factory=dict, description="of all marketing topics on one channel"
    )
    topics: Mapping[str, tuple[Cap, ...]] = Field(default_factory=dict, description="of one topic on all channels")
    min_gap: Duration | None = Field(
        default=None, description="the least time between two marketing messages to one person"
    )
    look_ahead: Duration | None = Field(
        default=None, description="how far ahead a higher campaign's due time already takes its places under the caps"
    )


class RepeatGuard(Grammar):
    """Holds a run when its people just got the same campaign."""

    above: Percent = Field(default=Decimal("0.3"), description="the share of the audience from which a run is held")
    within: Duration | None = Field(
        default=None,
        description="how long ago counts as just now; without it, half of the usual time between runs",
    )
    at_least: Annotated[int, Field(ge=1)] = Field(
        default=50, description="how many people must have got it for the run to be held"
    )


class SizeGuard(Grammar):
    """Holds a run whose audience is unusually large against its own history."""

    above: Annotated[float, Field(gt=1)] = Field(
        default=3.0, description="how many times the median of the last runs' audiences is unusual"
    )
    at_least: Annotated[int, Field(ge=1)] = Field(
        default=100, description="how large an audience must be for the run to be held"
    )


class Guards(Grammar):
    """What a run must pass before anybody is contacted."""

    repeat: RepeatGuard = Field(default=RepeatGuard(), description="the same people just got the same campaign")
    size: SizeGuard = Field(default=SizeGuard(), description="the audience is unusually large against its own history")
    off: tuple[Literal["repeat", "size"], ...] = Field(default=(), description="guards that never hold a run")
