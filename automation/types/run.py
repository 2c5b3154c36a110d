"""One execution of a campaign for one due time, and its account."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RunState(StrEnum):
    CREATED = "created"  # the due time is claimed; the audience is not frozen yet
    HELD = "held"  # a guard holds it until its data is fresh or somebody confirms it; nobody is contacted
    PLANNING = "planning"  # frozen; batches are being planned
    SENDING = "sending"  # everything is planned; messages are leaving
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    EXPIRED = "expired"  # it was held until it was too late to begin


class RunKind(StrEnum):
    SCHEDULE = "schedule"
    EVENT = "event"
    MANUAL = "manual"


@dataclass(frozen=True)
class Account:
    """Every member of a run's audience, by where they stand. The parts always add up to `audience`."""

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
        parts: dict[str, int] = vars(self).copy()
        return parts.pop("audience") == sum(parts.values())
