"""One execution of a campaign for one due time, and its account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RunState(StrEnum):
    """Where a run is; done, failed, stopped and expired are final."""

    CREATED = "created"  # the due time is claimed; the audience is not frozen yet
    HELD = "held"  # by a guard, until its data is fresh or somebody releases it; nobody is contacted
    PLANNING = "planning"  # the audience is frozen; batches are being planned
    SENDING = "sending"  # every batch is planned; messages are being sent
    LIVE = "live"  # people enter and leave it one by one, as long as its campaign is launched or somebody is inside
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    EXPIRED = "expired"  # it was held until it was too late to begin


class RunKind(StrEnum):
    """Why a run exists: its schedule, an event, or a person who started it."""

    SCHEDULE = "schedule"
    EVENT = "event"
    MANUAL = "manual"


HELD_SINCE_RESTORE = "restored"
"""The guard that holds what was being planned when the store, which is a restored copy, was copied."""


@dataclass(frozen=True)
class Due:
    """Why a run exists: its kind and unique key, the instant, and the wall time for `timezone: customer`."""

    kind: RunKind
    key: str
    at: datetime
    local: datetime | None = None


@dataclass(frozen=True)
class Account:
    """How many members of a run's audience are in which state. The parts always add up to `audience`."""

    audience: int
    unplanned: int = 0
    holdout: int = 0
    no_offer: int = 0
    unreachable: int = 0
    suppressed: int = 0
    queued: int = 0
    sending: int = 0
    sent: int = 0
    failed: int = 0
    ambiguous: int = 0
    expired: int = 0
    cancelled: int = 0
    erased: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether every member is accounted for."""
        parts: dict[str, int] = vars(self).copy()
        return parts.pop("audience") == sum(parts.values())
