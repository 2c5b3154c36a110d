"""One tick of the committer: a commit with the results of the last groups and the grants of the next.

A message is granted only in the commit that makes it `sending`, after consent, suppression, stops and quiet hours were
looked at once more in that transaction. Nothing is parsed, rendered or asked of a plugin inside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from automation.clock import to_millis
from automation.delivery.granting import Granting, SendPolicy, WorkerLoad
from automation.delivery.rates import RateLimits
from automation.delivery.suppression_answers import SuppressionAnswers
from automation.store import pauses
from automation.store.ledger import cap_slots, queues, workers
from automation.store.ledger.candidates import Candidate, read_candidates
from automation.store.ledger.grants import write_outcome
from automation.store.ledger.queues import Queue
from automation.store.ledger.settling import Result, settle
from automation.types.grant import Grant

_MOST_QUEUES = 64
"""Queues that one tick takes messages from."""


@dataclass(frozen=True)
class Tick:
    """What one commit did.

    grants: messages to send now. refused: how many ended without being sent. deferred: how many wait for a later time.
    waiting: due messages stay queued for a time slot, a plugin's answer or an unknown run. unknown_runs: whose rates
    the committer has to read before their messages can leave.
    """

    grants: Sequence[Grant] = ()
    refused: int = 0
    deferred: int = 0
    waiting: bool = False
    unknown_runs: frozenset[int] = frozenset()


@dataclass(frozen=True)
class OpenQueues:
    """The queues that messages may leave now, each with how many; what the others wait for.

    free: how many messages each channel may take in all.
    """

    rooms: Sequence[tuple[Queue, int]]
    free: Mapping[str, int]
    waiting: bool
    unknown_runs: frozenset[int]


def run_tick(
    connection: Connection,
    results: Sequence[Result],
    workers: Sequence[WorkerLoad],
    *,
    now: datetime,
    policy: SendPolicy,
    limits: RateLimits,
    answers: SuppressionAnswers | None = None,
) -> Tick:
    """Settle the results and grant what the providers have room for. The caller commits, then hands the grants over.

    workers: that can take messages; none: nothing is granted. answers: of the suppression plugins, asked before; None
    if there are none.
    """
    settle(connection, results, now=now)
    if not workers:
        return Tick()
    open_ = find_open_queues(connection, limits, now=now)
    candidates = read_candidates(connection, open_.rooms, open_.free, now=now, tracking=policy.tracking)
    decided = Granting(policy, now, _last_sends(connection, candidates, policy, now)).decide(
        candidates, limits, workers, answers
    )
    outcome = decided.outcome
    write_outcome(connection, outcome, now=now)
    return Tick(
        outcome.grants,
        len(outcome.refused),
        len(outcome.deferred) + len(outcome.spaced),
        open_.waiting or decided.waiting,
        open_.unknown_runs,
    )


def check_epoch(connection: Connection, epoch: int) -> None:
    """Raises `Fenced` where another committer has taken over."""
    if workers.current_epoch(connection) != epoch:
        raise workers.Fenced("another committer has taken over this store")


def find_open_queues(connection: Connection, limits: RateLimits, *, now: datetime) -> OpenQueues:
    """Leaves out what is stopped or paused, and what has no time slot now."""
    at = to_millis(now)
    paused = pauses.paused_scopes(connection)
    rooms: list[tuple[Queue, int]] = []
    waiting, unknown = False, set()
    for queue, due in queues.first_due_times(connection):
        if due > at:
            continue
        run = limits.runs.get(queue.run_id)
        if run is None:
            unknown.add(queue.run_id)
        elif not paused.include(campaign=run.campaign, channel=queue.channel):
            room = limits.room(queue)
            waiting = waiting or room <= 0
            rooms += [(queue, room)] if room > 0 else []
            if len(rooms) == _MOST_QUEUES:
                break
    free = {queue.channel: limits.free_of(queue.channel) for queue, _ in rooms}
    return OpenQueues(rooms, free, waiting or bool(unknown), frozenset(unknown))


def find_candidates(connection: Connection, limits: RateLimits, *, now: datetime) -> list[Candidate]:
    """The messages that a tick would look at now."""
    open_ = find_open_queues(connection, limits, now=now)
    return read_candidates(connection, open_.rooms, open_.free, now=now)


def _last_sends(
    connection: Connection, candidates: Sequence[Candidate], policy: SendPolicy, now: datetime
) -> dict[str, int]:
    if policy.min_gap is None:
        return {}
    marketing = [candidate for candidate in candidates if candidate.grant.topic in policy.marketing]
    return cap_slots.last_sends(
        connection,
        {candidate.grant.customer_id for candidate in marketing},
        {candidate.recipient for candidate in marketing} - {""},
        since=now - policy.min_gap,
        topics=policy.marketing,
    )
