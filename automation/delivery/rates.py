"""Rates as time slots that all messages share, and the choice of a message's provider.

A message gets the latest of its lanes' next slots, at most a quarter of a second ahead; then the next slot of each lane
moves on by one over its rate. Measured: 500–501 messages in 10 s at 50 a second over 4 workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from automation.delivery.adaptive_rate import AdaptiveRate
from automation.delivery.bulkheads import Provider
from automation.store.ledger.queues import Queue
from automation.store.ledger.rate_lanes import RateLaneRow
from automation.types.channel_settings import ChannelSettings
from automation.types.grant import Grant
from automation.types.message import Verdict

AHEAD = 250_000
"""Microseconds that a slot may lie ahead of now."""
BEHIND = 500_000
"""Microseconds of missed slots that are made up for, so that a busy machine keeps the rate over ten seconds."""
_FREE = 512
"""Messages that a channel may take at a time where nothing is known about it, such as one that was taken out of
config.yaml."""
_IMPLAUSIBLE = 2_000_000
"""Microseconds: a slot further ahead than this is from before the clock went back."""


class RunRate(NamedTuple):
    """A run's campaign, and its rate a second; None: no rate of its own."""

    campaign: str
    per_second: float | None


def provider_lane(channel: str, provider: int) -> str:
    return f"provider|{channel}|{provider}"


def domain_lane(channel: str, domain: str) -> str:
    return f"domain|{channel}|{domain}"


def campaign_lane(campaign: str) -> str:
    return f"campaign|{campaign}"


def domain_of(address: str) -> str:
    """An e-mail address's domain; "" for any other address."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


@dataclass
class RateLane:
    """A rate at this instant: what the files allow, and its state.

    cap: how many messages today. free: how many more may be on their way. is_silent: its provider answers nothing.
    """

    row: RateLaneRow
    allowed: float | None
    cap: int | None = None
    free: int | None = None
    is_silent: bool = False

    @property
    def rate(self) -> float | None:
        """Messages a second: the lower of the configured and the adaptive rate; None: no limit."""
        rates = [rate for rate in (self.allowed, self.row.per_second) if rate is not None]
        return min(rates) if rates else None

    @property
    def has_state(self) -> bool:
        """Whether there is anything to store."""
        row = self.row
        return self.rate is not None or self.cap is not None or row.held_until > 0 or row.silent_since > 0

    def opens(self, now: int) -> int | None:
        """When the next message may leave; None if none may today."""
        if self.cap is not None and self.row.day_count >= self.cap:
            return None
        slot = max(self.row.held_until, self.row.next_at if self.rate is not None else 0)
        return max(now, slot)

    def room(self, now: int) -> int:
        """How many slots begin within `AHEAD`."""
        opens = self.opens(now)
        if opens is None or opens > now + AHEAD:
            return 0
        left = min(
            1_000_000 if self.free is None else self.free,
            1_000_000 if self.cap is None else self.cap - self.row.day_count,
        )
        if self.rate is None:
            return left
        slots = int((now + AHEAD - max(self._next(now), self.row.held_until)) * self.rate / 1e6) + 1
        return min(left, slots)

    def take(self, now: int) -> None:
        if self.rate is not None:
            self.row.next_at = self._next(now) + int(1e6 / self.rate)
        self.row.day_count += 1
        if self.free is not None:
            self.free -= 1

    def _next(self, now: int) -> int:
        """The next slot, which may have begun already; after a pause the slots start anew."""
        return self.row.next_at if self.row.next_at >= now - BEHIND else now


@dataclass
class RateLimits:
    """The limits of one tick. `rows` are the lanes' rows in the store; `changed` are to be written in the same commit.

    now: microseconds. today: in the shop's time zone. free: how many more messages each provider may have on its way.
    silent: the providers that answer nothing, with the microseconds since they do.
    """

    rows: dict[str, RateLaneRow]
    channels: Mapping[str, ChannelSettings]
    now: int
    today: date
    runs: Mapping[int, RunRate]
    free: Mapping[Provider, int] = field(default_factory=dict)
    silent: Mapping[Provider, int] = field(default_factory=dict)
    _lanes: dict[str, RateLane] = field(default_factory=dict)
    _touched: set[str] = field(default_factory=set)
    _stored: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._stored = frozenset(self.rows)

    def room(self, queue: Queue) -> int:
        """How many messages of the queue may leave now."""
        shared = [self._campaign(queue.run_id), self._domain(queue.channel, queue.domain)]
        lanes = [self._provider_in_use(queue.channel), *(lane for lane in shared if lane is not None)]
        return min(lane.room(self.now) for lane in lanes)

    def free_of(self, channel: str) -> int:
        """How many messages the channel's provider may take now, whatever their queues."""
        return self._provider_in_use(channel).room(self.now)

    def slot(self, grant: Grant) -> Grant | int | None:
        """The grant with its provider and time slot.

        Without a slot now: the millisecond to try again where the message's own domain has none, else None, and the
        message keeps its place in the queue.
        """
        domain = self._domain(grant.channel, domain_of(grant.address))
        shared = [lane for lane in (self._campaign(grant.run_id), domain) if lane is not None]
        number, provider = self._provider(grant)
        if provider.free is not None and provider.free <= 0:
            return None
        mine = [provider, *shared]
        opens = [lane.opens(self.now) for lane in mine]
        slots = [slot for slot in opens if slot is not None]
        if len(slots) < len(opens):
            return None
        if max(slots) > self.now + AHEAD:
            own = domain.opens(self.now) if domain is not None else None
            return own // 1000 + 1 if own is not None and own > self.now + AHEAD else None
        for lane in mine:
            lane.take(self.now)
            self._touched.add(lane.row.name)
        return grant._replace(provider=number, wait=(max(slots) - self.now) / 1e6)

    def changed(self) -> Sequence[RateLaneRow]:
        """The rows to store, of lanes that have a rate, a warm-up or a hold."""
        touched = [self._lanes[name] for name in sorted(self._touched)]
        return [lane.row for lane in touched if lane.has_state or lane.row.name in self._stored]

    def _providers(self, channel: str) -> list[RateLane]:
        both = self.channels.get(channel)
        numbers = (0, 1) if both is not None and both.otherwise is not None else (0,)
        return [self._provider_lane(channel, number) for number in numbers]

    def _provider(self, grant: Grant) -> tuple[int, RateLane]:
        """The message's own provider; the other one where that is held or has reached its cap of the day."""
        both = self._providers(grant.channel)
        own = min(grant.provider, len(both) - 1)
        if len(both) > 1 and not self._usable(both[own]) and self._usable(both[1 - own]):
            own = 1 - own
        return own, both[own]

    def _provider_in_use(self, channel: str) -> RateLane:
        """The channel's own provider, or the other one where that can't be used."""
        both = self._providers(channel)
        return next((lane for lane in both if self._usable(lane)), both[0])

    def _usable(self, lane: RateLane) -> bool:
        is_open = lane.opens(self.now) is not None and lane.row.held_until <= self.now + AHEAD
        return is_open and not lane.is_silent

    def _provider_lane(self, channel: str, number: int) -> RateLane:
        settings = self.channels.get(channel)
        provider = settings.provider(number) if settings is not None else None
        allowed = provider.rate.per_second if provider is not None and provider.rate is not None else None
        cap = provider.warm_up.cap(self.today) if provider is not None and provider.warm_up is not None else None
        key = (channel, number)
        free = self.free.get(key, _FREE)
        is_silent = key in self.silent and not free  # with room it is to be tried again
        return self._lane(provider_lane(channel, number), allowed, cap, free, is_silent=is_silent)

    def _domain(self, channel: str, domain: str) -> RateLane | None:
        settings, name = self.channels.get(channel), domain_lane(channel, domain)
        rate = settings.domain_rate(domain) if settings is not None and domain else None
        if rate is None and name not in self.rows and name not in self._lanes:
            return None
        return self._lane(name, None if rate is None else rate.per_second)

    def _campaign(self, run_id: int) -> RateLane | None:
        run = self.runs.get(run_id)
        if run is None or run.per_second is None:
            return None
        return self._lane(campaign_lane(run.campaign), run.per_second)

    def _lane(
        self,
        name: str,
        allowed: float | None,
        cap: int | None = None,
        free: int | None = None,
        *,
        is_silent: bool = False,
    ) -> RateLane:
        if name not in self._lanes:
            row = self.rows.get(name) or RateLaneRow(name)
            if row.next_at > self.now + _IMPLAUSIBLE:
                row.next_at = self.now
            if row.day != self.today.isoformat():
                row.day, row.day_count = self.today.isoformat(), 0
            self._lanes[name] = RateLane(row, allowed, cap, free, is_silent)
        return self._lanes[name]

    def adapt(self, adaptive_rates: Mapping[str, AdaptiveRate]) -> None:
        """Change the lanes' rates by what came back on them."""
        for name, adaptive in adaptive_rates.items():
            lane = self._lane_of(name)
            if adaptive.adapt(lane.row, lane.allowed, self.now):
                self._touched.add(name)

    def note_silence(self) -> None:
        """Note on the lanes since when their providers answer nothing, for everybody to see."""
        for channel in self.channels:
            for number, lane in enumerate(self._providers(channel)):
                silent_for = self.silent.get((channel, number))
                since = 0 if silent_for is None else lane.row.silent_since or self.now - silent_for
                if since != lane.row.silent_since:
                    lane.row.silent_since = since
                    self._touched.add(lane.row.name)

    def hold(self, name: str, until: int) -> None:
        """Let nothing leave on this lane before then (microseconds)."""
        lane = self._lane_of(name)
        lane.row.held_until = max(lane.row.held_until, until)
        self._touched.add(name)

    def _lane_of(self, name: str) -> RateLane:
        kind, channel, which = name.split("|", 2)
        if kind == "provider":
            return self._provider_lane(channel, int(which))
        settings = self.channels.get(channel)
        rate = settings.domain_rate(which) if settings is not None else None
        return self._lane(name, None if rate is None else rate.per_second)


def to_micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def lanes_of(grant: Grant, verdict: Verdict) -> Iterable[str]:
    """The lanes that adapt to what becomes of the message. A message that never left says nothing about its domain."""
    yield provider_lane(grant.channel, grant.provider)
    domain = domain_of(grant.address)
    if domain and verdict is not Verdict.RETURNED:
        yield domain_lane(grant.channel, domain)
