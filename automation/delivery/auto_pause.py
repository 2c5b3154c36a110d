"""Pauses a campaign, or a whole channel, when too much of what it sends fails, comes back or is called spam."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import get_args

import structlog
from sqlalchemy.engine import Connection

from automation.clock import monotonic
from automation.delivery.bulkheads import Bulkheads
from automation.store import pauses
from automation.store.inbox import negative_feedback
from automation.store.inbox.negative_feedback import Kind
from automation.types.channel_settings import PauseWhen
from automation.types.message import Receipt, Verdict
from automation.types.plural import format_count
from automation.workspace.workspace import Workspace

log = structlog.get_logger(__name__)

LOOK_EVERY = 2.0
WINDOW = timedelta(hours=24)
_EVERY_CAMPAIGN = ""

Subject = tuple[str, str]
"""A campaign ("" for all of them together) and a channel."""


@dataclass
class AutoPause:
    """What one committer has seen of failures since it took over, and of bounces and complaints in a day."""

    workspace: Workspace
    _settled: Counter[Subject] = field(default_factory=Counter)
    _failed: Counter[Subject] = field(default_factory=Counter)
    _last: dict[Subject, str] = field(default_factory=dict)
    _answers: dict[tuple[Kind, Subject], dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    _campaigns: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _cursor: int | None = None
    _looked: float = 0.0

    def note(self, receipts: Sequence[Receipt], bulkheads: Bulkheads) -> None:
        """Count what was settled for good."""
        for receipt in receipts:
            grant = bulkheads.grant_of(receipt.id)
            if grant is None or receipt.verdict not in (Verdict.SENT, Verdict.FAILED):
                continue
            for subject in ((grant.campaign, grant.channel), (_EVERY_CAMPAIGN, grant.channel)):
                self._settled[subject] += 1
                if receipt.verdict is Verdict.FAILED:
                    self._failed[subject] += 1
                    self._last[subject] = receipt.detail
                    self._campaigns[grant.channel].add(grant.campaign)

    def look(self, now: datetime) -> None:
        """Every two seconds: pause what has passed a limit."""
        if monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = monotonic()
        with self.workspace.store.reading() as connection:
            self._read_answers(connection, now)
            found = dict([*self._of_failures(), *self._of_answers(connection, now)])
        if found:
            with self.workspace.store.transaction() as connection:
                for subject, reason in found.items():
                    self._pause(connection, subject, reason, now)

    def _pause(self, connection: Connection, subject: Subject, reason: str, now: datetime) -> None:
        campaign, channel = subject
        scope = campaign or pauses.channel_scope(channel)
        if pauses.pause(connection, scope, reason=reason, now=now):
            log.error("paused", what=campaign or f"channel {channel}", because=reason)
        for counts in (self._settled, self._failed):
            counts.pop(subject, None)
        for kind in get_args(Kind):
            self._answers.pop((kind, subject), None)

    def _limits(self, channel: str) -> PauseWhen:
        settings = self.workspace.project.settings.channels.get(channel)
        return PauseWhen() if settings is None else settings.pause_when

    def _of_failures(self) -> Iterator[tuple[Subject, str]]:
        """A channel as a whole only where it fails in several campaigns: else it is the campaign's own fault."""
        for subject, failed in list(self._failed.items()):
            campaign, channel = subject
            settled, limits = self._settled[subject], self._limits(channel)
            alone = not campaign and len(self._campaigns[channel]) < 2
            if not alone and settled >= limits.of_at_least and failed > float(limits.failures) * settled:
                last = self._last[subject]
                yield subject, f"{_share(failed, settled, 'failed', limits.failures)}; the last one: {last}"

    def _read_answers(self, connection: Connection, now: datetime) -> None:
        if self._cursor is None:
            self._cursor = negative_feedback.find_cursor(connection, now - WINDOW)
        found, self._cursor = negative_feedback.read_negative_feedback(connection, self._cursor)
        for answer in found:
            for campaign in (answer.campaign, _EVERY_CAMPAIGN):
                self._answers[answer.kind, (campaign, answer.channel)][answer.message_id] = now
        for messages in self._answers.values():
            for message in [m for m, at in messages.items() if at < now - WINDOW]:
                del messages[message]

    def _of_answers(self, connection: Connection, now: datetime) -> Iterator[tuple[Subject, str]]:
        for (kind, subject), messages in self._answers.items():
            campaign, channel = subject
            limits = self._limits(channel)
            limit = limits.bounces if kind == "bounce" else limits.complaints
            if not campaign or len(messages) <= float(limit) * limits.of_at_least:
                continue
            sent = negative_feedback.count_sent(connection, campaign, channel, now - WINDOW)
            if sent >= limits.of_at_least and len(messages) > float(limit) * sent:
                yield (
                    subject,
                    _share(len(messages), sent, "came back" if kind == "bounce" else "were called spam", limit),
                )


def _share(count: int, of: int, what: str, limit: Decimal) -> str:
    share = f"{count:,} of {format_count(of, 'message')} ({count / of:.1%})"
    return f"{share} {what}, more than the {float(limit):.1%} of pause_when"
