"""A channel's settings: its providers, rates and warm-up, and when it pauses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from pydantic import Field

from automation.types.condition import Using
from automation.types.grammar import FileModel
from automation.types.quantity import Percent
from automation.types.rate import Rate


class WarmUp(FileModel):
    """The daily limit of a new provider or address: `first_day` on the day `from`, then `grows` more each day."""

    from_: date = Field(alias="from", description="the first day, in the shop's time zone")
    first_day: int = Field(ge=1, description="how many messages may leave on the first day")
    grows: Percent = Field(default=Decimal("0.3"), description="the growth from day to day")

    def cap(self, day: date) -> int | None:
        """How many messages may leave that day; None once the limit is above ten million and has no effect."""
        days = (day - self.from_).days
        if days < 0:
            return 0
        allowed = self.first_day * (1 + float(self.grows)) ** min(days, 2_000) if days < 2_000 else 1e9
        return None if allowed > 10_000_000 else int(allowed)


class PauseWhen(FileModel):
    """When a campaign or channel pauses automatically: shares of the sent messages, once enough were sent."""

    failures: Percent = Field(default=Decimal("0.2"), description="share of messages that failed permanently")
    bounces: Percent = Field(default=Decimal("0.05"), description="share of messages that bounced")
    complaints: Percent = Field(default=Decimal("0.003"), description="share of messages reported as spam")
    of_at_least: int = Field(default=200, ge=1, description="how many messages must be sent before the shares count")


@dataclass(frozen=True)
class ProviderSettings(Using):
    """One provider of a channel: a component with its options, its rate and warm-up."""

    rate: Rate | None = None
    warm_up: WarmUp | None = None


@dataclass(frozen=True)
class ChannelSettings(ProviderSettings):
    """A channel of config.yaml; `otherwise` is the provider to fail over to."""

    rate_per_domain: tuple[tuple[str, Rate], ...] = ()
    otherwise: ProviderSettings | None = None
    pause_when: PauseWhen = field(default_factory=PauseWhen)

    def domain_rate(self, domain: str) -> Rate | None:
        """How fast one recipient domain may get messages from this channel."""
        rates = dict(self.rate_per_domain)
        return rates.get(domain, rates.get("otherwise"))

    def provider(self, number: int) -> ProviderSettings | None:
        """The first provider (0), or the one to fail over to (1), if there is one."""
        return self.otherwise if number else self
