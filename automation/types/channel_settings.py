"""How fast messages may leave: rates, a warm-up, and what pauses a channel."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from pydantic import Field

from automation.types.condition import Using
from automation.types.grammar import Grammar
from automation.types.quantity import Percent
from automation.types.rate import Rate


class WarmUp(Grammar):
    """A new provider or address gets more each day: `first_day` on the day `from`, then `grows` a day."""

    from_: date = Field(alias="from", description="the first day, in the shop's time zone")
    first_day: int = Field(ge=1, description="how many messages may leave on it")
    grows: Percent = Field(default=Decimal("0.3"), description="by how much more each day; 30% by default")

    def cap(self, day: date) -> int | None:
        """How many may leave that day; None once the cap is past ten million and means nothing."""
        days = (day - self.from_).days
        if days < 0:
            return 0
        allowed = self.first_day * (1 + float(self.grows)) ** min(days, 2_000) if days < 2_000 else 1e9
        return None if allowed > 10_000_000 else int(allowed)


class PauseWhen(Grammar):
    """What pauses a campaign, or a channel, by itself: shares of what was sent, once there is enough to judge by."""

    failures: Percent = Field(default=Decimal("0.2"), description="messages that failed for good")
    bounces: Percent = Field(default=Decimal("0.05"), description="messages that came back")
    complaints: Percent = Field(default=Decimal("0.003"), description="messages that were called spam")
    of_at_least: int = Field(default=200, ge=1, description="how many messages it takes to judge")


@dataclass(frozen=True)
class ProviderSettings(Using):
    """One provider of a channel: a component with its options, and how fast it may be used."""

    rate: Rate | None = None
    warm_up: WarmUp | None = None


@dataclass(frozen=True)
class ChannelSettings(ProviderSettings):
    """A channel of config.yaml; `otherwise` is the provider that it fails over to."""

    rate_per_domain: tuple[tuple[str, Rate], ...] = ()
    otherwise: ProviderSettings | None = None
    pause_when: PauseWhen = field(default_factory=PauseWhen)

    def domain_rate(self, domain: str) -> Rate | None:
        """What one recipient domain may get of this channel."""
        rates = dict(self.rate_per_domain)
        return rates.get(domain, rates.get("otherwise"))

    def provider(self, number: int) -> ProviderSettings | None:
        return self.otherwise if number else self
