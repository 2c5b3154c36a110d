"""What one committer knows about rates between two ticks: how providers answered, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from automation.clock import monotonic
from automation.delivery.adaptive_rate import AdaptiveRate
from automation.delivery.bulkheads import Bulkheads
from automation.delivery.rates import RateLimits, RunRate, lanes_of, provider_lane, to_micros
from automation.errors import AutomationError
from automation.store import runs
from automation.store.ledger.rate_lanes import RateLaneRow
from automation.store.ledger.settling import Result
from automation.types.grant import Grant
from automation.types.message import Receipt, Verdict
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

HOLD = timedelta(seconds=30)
"""How long a provider that accepts nothing gets no messages, where there is another provider."""
_LONGEST_HOLD = timedelta(hours=1)
_DOWN = 10
"""Push-backs in a row after which a provider counts as down."""
_TRIES_EACH = 2
"""Attempts at one provider before a message changes to the other."""
_PUSHED_BACK = (Verdict.RETRY, Verdict.RETURNED)


@dataclass
class RateControl:
    """Learns from receipts, chooses the provider of the next attempt, and gives each tick its limits."""

    workspace: Workspace
    pinned: LaunchedCampaigns
    bulkheads: Bulkheads
    _adaptive: dict[str, AdaptiveRate] = field(default_factory=dict)
    _holds: dict[str, int] = field(default_factory=dict)
    _pushed_in_a_row: Counter[str] = field(default_factory=Counter)
    _runs: dict[int, RunRate] = field(default_factory=dict)

    def limits(self, rows: dict[str, RateLaneRow], now: datetime) -> RateLimits:
        """The limits of this instant, from the lanes' rows in the store."""
        settings = self.workspace.project.settings
        today = now.astimezone(ZoneInfo(settings.shop.timezone)).date()
        at = monotonic()
        channels = settings.channels
        providers = [(name, n) for name, one in channels.items() for n in (0, 1) if one.provider(n) is not None]
        free = {provider: self.bulkheads.room(provider, at) for provider in providers}
        silent = {provider: int(wait * 1e6) for provider, wait in self.bulkheads.silent(at).items()}
        return RateLimits(rows, channels, to_micros(now), today, self._runs, free, silent)

    def adapt(self, limits: RateLimits) -> None:
        """Change the limits' lanes by what was learnt since the last call."""
        limits.adapt({name: rate for name, rate in self._adaptive.items() if rate.results or name in limits.rows})
        for name, until in self._holds.items():
            limits.hold(name, until)
        self._holds.clear()
        limits.note_silence()

    def read_runs(self, connection: Connection, run_ids: Collection[int]) -> None:
        """Learn the campaigns of these runs and their rates."""
        for run_id in run_ids:
            run = runs.get(connection, run_id)
            try:
                rate = self.pinned.get(connection, run.launch_id).campaign.limits.rate
            except AutomationError:
                rate = None  # it no longer fits config.yaml; each of its messages fails and says so
            self._runs[run_id] = RunRate(run.campaign, None if rate is None else rate.per_second)

    def note(self, receipts: Sequence[Receipt], now: datetime) -> list[Result]:
        """Learn from the receipts of messages in flight; returns each with the provider of a next attempt."""
        at = to_micros(now)
        seen: Counter[tuple[str, bool]] = Counter()
        results = []
        for receipt in receipts:
            grant = self.bulkheads.grant_of(receipt.id)
            if grant is None or receipt.verdict is Verdict.WITHDRAWN:
                results.append(Result(receipt))
                continue
            for name in lanes_of(grant, receipt.verdict):
                seen[name, receipt.verdict in _PUSHED_BACK] += 1
            self._note_hold(grant, receipt, now)
            results.append(Result(receipt, self._other_provider(grant, receipt)))
        for name in {name for name, _ in seen}:
            pushed_back = seen[name, True]
            self._adaptive.setdefault(name, AdaptiveRate()).note(at, pushed_back + seen[name, False], pushed_back)
        return results

    def _has_other(self, channel: str) -> bool:
        settings = self.workspace.project.settings.channels.get(channel)
        return settings is not None and settings.otherwise is not None

    def _other_provider(self, grant: Grant, receipt: Receipt) -> int | None:
        """The other provider after a definite push-back: at once where nothing left, else after two tries."""
        if receipt.verdict not in _PUSHED_BACK or not self._has_other(grant.channel):
            return None
        tried_enough = receipt.verdict is Verdict.RETURNED or receipt.attempt % _TRIES_EACH == 0
        return 1 - grant.provider if tried_enough else None

    def _note_hold(self, grant: Grant, receipt: Receipt, now: datetime) -> None:
        """A provider that asks for a pause gets it; one that accepts nothing gets one where there is another."""
        name = provider_lane(grant.channel, grant.provider)
        if receipt.verdict not in _PUSHED_BACK:
            self._pushed_in_a_row.pop(name, None)
            return
        self._pushed_in_a_row[name] += 1
        about_all_messages = receipt.verdict is Verdict.RETURNED or receipt.detail.startswith("429")
        if receipt.retry_after is not None and about_all_messages:
            self._holds[name] = to_micros(now + min(receipt.retry_after, _LONGEST_HOLD))
        elif self._pushed_in_a_row[name] >= _DOWN and self._has_other(grant.channel):
            self._holds[name] = to_micros(now + HOLD)
