"""Decides which due messages may be sent now. Values in, values out: no store, no plugin, no clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from automation.clock import from_millis, in_millis, to_millis
from automation.delivery.bulkheads import Provider, provider_of
from automation.delivery.executor import GROUP
from automation.delivery.rates import RateLimits
from automation.delivery.suppression_answers import SuppressionAnswers
from automation.pipeline.timing import after_quiet_hours, zone_or_default
from automation.store.ledger.candidates import Candidate
from automation.store.ledger.grants import Outcome
from automation.store.people.permission import refusal_code
from automation.types.entry import Ending
from automation.types.grant import Grant
from automation.types.message import MessageState
from automation.types.schedule import parse_hours

RETRY_SUPPRESSIONS = timedelta(minutes=1)
"""How long messages wait when a suppression plugin failed."""

Refusal = tuple[MessageState, str]


class WorkerLoad(NamedTuple):
    """A worker that can take messages, and how many it has of each provider."""

    worker_id: int
    loads: Mapping[Provider, int]


@dataclass(frozen=True)
class SendPolicy:
    """What config.yaml says about every message at the moment of sending."""

    marketing: frozenset[str]
    """The topics that need a consent."""
    shop_zone: str
    min_gap: timedelta | None = None
    """The least time between two marketing messages to one person."""
    tracking: str | None = None
    """The topic whose consent is needed to count opens and clicks; None: none is needed."""


@dataclass(frozen=True)
class GrantDecisions:
    """The outcome of a tick. `waiting`: due messages stay queued for a time slot, a plugin's answer, or until a journey
    has heard what happened."""

    outcome: Outcome
    waiting: bool


@dataclass
class Granting:
    """One pass over the candidates of a tick."""

    policy: SendPolicy
    now: datetime
    last_sends: Mapping[str, int] = field(default_factory=dict)
    """By customer id and by address: when the last marketing message was granted (milliseconds)."""
    _quiet_ends: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._at = to_millis(self.now)

    def decide(
        self,
        candidates: Sequence[Candidate],
        limits: RateLimits,
        workers: Sequence[WorkerLoad],
        answers: SuppressionAnswers | None = None,
    ) -> GrantDecisions:
        """workers: that can take messages. answers: of the suppression plugins, None if there are none; a customer
        without an answer waits."""
        refused: dict[str, Refusal] = {}
        deferred: dict[str, int] = {}
        spaced: dict[str, int] = {}
        allowed: list[Grant] = []
        unasked = 0
        last_sends = dict(self.last_sends)
        for candidate in candidates:
            message = candidate.grant.id
            if (refusal := self.refusal(candidate)) is not None:
                refused[message] = refusal
            elif candidate.is_unheard:
                unasked += 1
            elif (quiet_end := self._quiet_end(candidate)) > self._at:
                deferred[message] = quiet_end
            elif answers is not None and message not in answers.asked:
                unasked += 1
            elif answers is not None and answers.failed:
                deferred[message] = to_millis(self.now + RETRY_SUPPRESSIONS)
            elif answers is not None and message in answers.codes:
                refused[message] = (MessageState.SUPPRESSED, answers.codes[message])
            elif (free_at := self._gap_end(candidate, last_sends)) is not None:
                spaced[message] = free_at
            else:
                allowed.append(candidate.grant)
        slots = [limits.slot(grant) for grant in allowed]
        deferred |= {grant.id: slot for grant, slot in zip(allowed, slots, strict=True) if isinstance(slot, int)}
        grants = spread_over_workers([slot for slot in slots if isinstance(slot, Grant)], workers)
        return GrantDecisions(Outcome(grants, deferred, spaced, refused), bool(unasked) or len(grants) < len(allowed))

    def may_be_asked(self, candidate: Candidate) -> bool:
        """Whether nothing but a suppression plugin, the minimum gap or a rate may still forbid the message now."""
        if candidate.is_unheard:
            return False
        return self.refusal(candidate) is None and self._quiet_end(candidate) <= self._at

    def refusal(self, candidate: Candidate) -> Refusal | None:
        """Why the message must never be sent, and the state that it gets."""
        if candidate.expires_at is not None and candidate.expires_at <= self._at:
            return MessageState.EXPIRED, "late"
        if candidate.is_over:
            return MessageState.CANCELLED, Ending.STOP_WHEN.value
        code = refusal_code(
            consent=candidate.consent,
            marketing=candidate.grant.topic in self.policy.marketing,
            suppression=candidate.suppression,
        )
        if code is None and candidate.is_duplicate:
            code = "duplicate_address"
        return None if code is None else (MessageState.SUPPRESSED, code)

    def _quiet_end(self, candidate: Candidate) -> int:
        """The end of the quiet hours that this instant falls into, in milliseconds; else the instant itself."""
        if candidate.quiet_hours is None:
            return self._at
        zone = candidate.quiet_zone or self.policy.shop_zone
        key = (candidate.quiet_hours, zone)
        if key not in self._quiet_ends:
            there = zone_or_default(zone, self.policy.shop_zone)
            hours = parse_hours(candidate.quiet_hours)
            self._quiet_ends[key] = to_millis(after_quiet_hours(from_millis(self._at), there, hours))
        return self._quiet_ends[key]

    def _gap_end(self, candidate: Candidate, last_sends: dict[str, int]) -> int | None:
        """When the person may get another marketing message; None if now. Then later candidates see this one.

        Planning kept the gap between due times; messages that waited since might otherwise leave together.
        """
        gap = self.policy.min_gap
        if gap is None or candidate.grant.topic not in self.policy.marketing:
            return None
        person = [key for key in (candidate.grant.customer_id, candidate.recipient) if key]
        before = max((last_sends[key] for key in person if key in last_sends), default=None)
        if before is not None:
            return before + in_millis(gap)
        last_sends |= dict.fromkeys(person, self._at)
        return None


def spread_over_workers(grants: Sequence[Grant], workers: Sequence[WorkerLoad]) -> list[Grant]:
    """The grants with their worker, each provider's to the workers with the fewest of them.

    Whole groups where there are many, evenly spread where there are few.
    """
    by_provider: dict[Provider, list[Grant]] = defaultdict(list)
    for grant in grants:
        by_provider[provider_of(grant)].append(grant)
    placed: list[Grant] = []
    for provider, theirs in by_provider.items():
        size = GROUP if len(theirs) >= GROUP * len(workers) else -(-len(theirs) // len(workers))
        loads = {worker.worker_id: worker.loads.get(provider, 0) for worker in workers}
        for start in range(0, len(theirs), size):
            group = theirs[start : start + size]
            worker_id = min(loads, key=lambda one: loads[one])
            placed += [grant._replace(worker_id=worker_id) for grant in group]
            loads[worker_id] += len(group)
    return placed
