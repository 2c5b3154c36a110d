"""What one committer knows of the limits between two ticks: how providers answered, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from automation.delivery.adaptive_rate import AdaptiveRate
from automation.delivery.rates import RateLimits, micros, names_of, provider_lane
from automation.errors import AutomationError
from automation.store import runs
from automation.store.ledger import rate_lanes
from automation.store.ledger.settling import Result
from automation.types.grant import Grant
from automation.types.message import Receipt, Verdict
from automation.workspace.launched import LaunchedCampaigns
from automation.workspace.workspace import Workspace

HOLD = timedelta(seconds=30)
"""How long a provider that takes nothing is left alone, where there is another one."""
_LONGEST_HOLD = timedelta(hours=1)
_DOWN = 10
_TRIES_EACH = 2
_PUSHED = (Verdict.RETRY, Verdict.RETURNED)


@dataclass
class RateControl:
    """Follows results, chooses providers, and hands every tick its limits."""

    workspace: Workspace
    pinned: LaunchedCampaigns
    _paces: dict[str, AdaptiveRate] = field(default_factory=dict)
    _holds: dict[str, int] = field(default_factory=dict)
    _in_a_row: Counter[str] = field(default_factory=Counter)
    _rates: dict[int, tuple[str, float | None]] = field(default_factory=dict)

    def begin(self, connection: Connection, now: datetime) -> RateLimits:
        """The limits of one tick, after what came back since the last one."""
        settings = self.workspace.project.settings
        today = now.astimezone(ZoneInfo(settings.shop.timezone)).date()
        at = micros(now)
        limits = RateLimits(rate_lanes.read(connection), settings.channels, at, today, self._rate)
        limits.follow({name: pace for name, pace in self._paces.items() if pace.results or name in limits.rows})
        for name, until in self._holds.items():
            limits.hold(name, until)
        self._holds.clear()
        return limits

    def note(self, receipts: Sequence[Receipt], granted: Mapping[str, Grant], now: datetime) -> list[Result]:
        """Learn from the receipts; returns them with the provider of a next attempt."""
        at = micros(now)
        seen: Counter[tuple[str, bool]] = Counter()
        results = []
        for receipt in receipts:
            grant = granted.get(receipt.id)
            if grant is None:
                results.append(Result(receipt))
                continue
            for name in names_of(grant, receipt.verdict):
                seen[name, receipt.verdict in _PUSHED] += 1
            self._hold(grant, receipt, now)
            results.append(Result(receipt, self._switch(grant, receipt)))
        for name in {name for name, _ in seen}:
            pushed = seen[name, True]
            self._paces.setdefault(name, AdaptiveRate()).note(at, pushed + seen[name, False], pushed)
        return results

    def _has_other(self, channel: str) -> bool:
        settings = self.workspace.project.settings.channels.get(channel)
        return settings is not None and settings.otherwise is not None

    def _switch(self, grant: Grant, receipt: Receipt) -> int | None:
        """The other provider after a definite answer: at once where nothing left, else after two tries."""
        if receipt.verdict not in _PUSHED or not self._has_other(grant.channel):
            return None
        tried_enough = receipt.verdict is Verdict.RETURNED or receipt.attempt % _TRIES_EACH == 0
        return 1 - grant.provider if tried_enough else None

    def _hold(self, grant: Grant, receipt: Receipt, now: datetime) -> None:
        """A provider that asks for a pause gets it; one that takes nothing is left alone where there is another."""
        name = provider_lane(grant.channel, grant.provider)
        if receipt.verdict not in _PUSHED:
            self._in_a_row.pop(name, None)
            return
        self._in_a_row[name] += 1
        of_all = receipt.verdict is Verdict.RETURNED or receipt.detail.startswith("429")
        if receipt.retry_after is not None and of_all:
            self._holds[name] = micros(now + min(receipt.retry_after, _LONGEST_HOLD))
        elif self._in_a_row[name] >= _DOWN and self._has_other(grant.channel):
            self._holds[name] = micros(now + HOLD)

    def _rate(self, connection: Connection, run_id: int) -> tuple[str, float | None]:
        if run_id not in self._rates:
            self._rates[run_id] = self._read_rate(connection, run_id)
        return self._rates[run_id]

    def _read_rate(self, connection: Connection, run_id: int) -> tuple[str, float | None]:
        run = runs.get(connection, run_id)
        try:
            limit = self.pinned.get(connection, run.launch_id).campaign.limits.rate
        except AutomationError:
            limit = None  # it no longer fits; its messages are told so
        return run.campaign, None if limit is None else limit.per_second
