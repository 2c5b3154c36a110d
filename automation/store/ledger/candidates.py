"""Messages that are due, each with everything that may still forbid it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from automation.clock import from_millis, to_millis
from automation.store.ledger.queues import Queue
from automation.store.people.permission import may_track
from automation.store.people.suppressions import read_suppressions
from automation.types.consent import ConsentState
from automation.types.grant import Grant


class Candidate(NamedTuple):
    """A queued message that is due, as it would be granted, and what the decision about it needs."""

    grant: Grant
    recipient: str
    """The normalised address; "" where it is not known."""
    expires_at: int | None
    """Milliseconds; None: never."""
    consent: ConsentState | None
    """The consent to its topic on its channel; None: none on record."""
    suppression: str | None
    """The reason code of the address's suppression."""
    is_duplicate: bool
    """Whether another customer's message of the run goes to the same address; of a journey, of the same step within a
    day."""
    quiet_hours: str | None
    """Such as `20:00-09:00`, on the clock of `quiet_zone`."""
    quiet_zone: str | None
    is_unheard: bool = False
    """Whether somebody in a journey did something that the journey has not heard: it may end there."""
    is_over: bool = False
    """Whether the journey of its recipient has ended."""


def read_candidates(
    connection: Connection,
    queues: Sequence[tuple[Queue, int]],
    free: Mapping[str, int],
    *,
    now: datetime,
    tracking: str | None = None,
) -> list[Candidate]:
    """The next due messages: of each channel as many as it may take, a fair share from each of its queues.

    queues: each with the number of messages that may leave it now. free: messages that each channel may take.
    tracking: the topic whose consent is needed to count opens and clicks; None: none is needed.
    """
    at = to_millis(now)
    left, following = dict(free), Counter(queue.channel for queue, _ in queues)
    rows: list[Sequence[Any]] = []
    for queue, room in queues:
        share = -(-left[queue.channel] // following[queue.channel])
        wanted = {"queue": queue.name, "now": at, "want": min(share, room)}
        if tracking is None:
            due = connection.execute(_DUE, wanted).all()
        else:
            due = connection.execute(_DUE_TRACKED, {**wanted, "tracking": tracking}).all()
        left[queue.channel] -= len(due)
        following[queue.channel] -= 1
        rows += due
    listed = read_suppressions(connection, {row[_GRANT_WIDTH] for row in rows})
    granted_at = from_millis(at)
    found = []
    for row in rows:
        recipient, expires_at, quiet_hours, quiet_zone, consent, is_duplicate, agreed, *journey = row[_GRANT_WIDTH:]
        grant = make_grant(row, row[1] + 1, granted_at)
        suppression = listed.code(recipient, grant.channel, grant.topic) if listed.rows else None
        if tracking is not None:
            stopped = listed.code(recipient, grant.channel, tracking) if listed.rows else None
            grant = grant._replace(tracked=may_track(consent=agreed, suppression=stopped))
        rest = (quiet_hours, quiet_zone, *map(bool, journey))
        found.append(Candidate(grant, recipient, expires_at, consent, suppression, bool(is_duplicate), *rest))
    return found


def make_grant(row: Sequence[Any], attempt: int, granted_at: datetime) -> Grant:
    """The grant of a row that begins with `GRANT_COLUMNS`, which stand in the order of its fields."""
    due_at, provider = from_millis(row[_DUE_AT]), row[_GRANT_WIDTH - 1]
    return Grant._make((row[0], attempt, *row[2:_DUE_AT], due_at, granted_at, provider, 0.0, 0, True))


GRANT_COLUMNS = (
    "m.id, s.attempt, m.run_id, m.batch_no, r.campaign, r.launch_id, m.customer_id, d.step, d.visit, "
    "m.channel, m.topic, m.address, m.template, m.context, d.variant, d.offer, d.items, k.code AS coupon, "
    "s.due_at, s.granted_at, s.provider"
)
_DUE_AT = Grant._fields.index("due_at")
_GRANT_WIDTH = Grant._fields.index("provider") + 1
_CONSENT = (
    "CASE WHEN {0}.granted THEN 'given' WHEN {0}.agreed THEN 'withdrawn' WHEN {0}.customer_id IS NOT NULL "
    "THEN 'refused' END"
)


def _read_due(tracking: str, joined: str) -> sa.TextClause:
    return sa.text(
        f"""
    SELECT {GRANT_COLUMNS}, m.recipient, s.expires_at, m.quiet_hours, m.quiet_zone, {_CONSENT.format("c")} AS consent,
           EXISTS (SELECT 1 FROM message o JOIN message_status t ON t.message_id = o.id
                   LEFT JOIN decision e ON e.id = o.decision_id AND r.state = 'live'
                   WHERE o.run_id = m.run_id AND o.recipient = m.recipient AND o.recipient <> ''
                     AND o.customer_id <> m.customer_id AND o.channel = m.channel
                     AND (r.state <> 'live' OR (e.step = d.step AND t.due_at > s.due_at - 86400000))
                     AND (t.state IN ('sending', 'sent', 'ambiguous') OR (t.state = 'queued' AND o.id < m.id))
           ) AS is_duplicate, {tracking} AS tracking,
           r.state = 'live' AND EXISTS (
               SELECT 1 FROM inbox i WHERE i.customer_id = m.customer_id
                 AND i.id > (SELECT coalesce(max(CAST(value AS BIGINT)), 0) FROM fact WHERE key = 'heard:inbox')
           ) AS is_unheard,
           CASE WHEN r.state = 'live' THEN EXISTS (
               SELECT 1 FROM entry WHERE id = CAST(substr(d.entry, 2) AS BIGINT) AND ended_at IS NOT NULL
           ) END AS is_over
    FROM (SELECT * FROM message_status WHERE state = 'queued' AND queue = :queue AND due_at <= :now
          ORDER BY due_at LIMIT :want) s
    JOIN message m ON m.id = s.message_id
    JOIN run r ON r.id = m.run_id
    JOIN decision d ON d.id = m.decision_id
    LEFT JOIN consent c ON c.customer_id = m.customer_id AND c.channel = m.channel AND c.topic = m.topic
    {joined}
    LEFT JOIN coupon k ON k.message_id = m.id
    """  # noqa: S608
    )


_DUE = _read_due("NULL", "")
_DUE_TRACKED = _read_due(
    _CONSENT.format("y"),
    "LEFT JOIN consent y ON y.customer_id = m.customer_id AND y.channel = m.channel AND y.topic = :tracking",
)
