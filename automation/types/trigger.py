"""What starts a campaign for one person."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, InstanceOf, PlainSerializer

from automation.types.condition import Where
from automation.types.grammar import FileModel, Names, Text
from automation.types.quantity import Duration, format_duration, parse_percent


@dataclass(frozen=True)
class PriceDrop:
    """`at least 10%`: by which share of its price a product became cheaper. `text` is what the file says."""

    share: Decimal
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text


def parse_price_drop(text: object) -> PriceDrop:
    """`at least 10%`. Raises ValueError."""
    if isinstance(text, PriceDrop):
        return text
    if isinstance(text, str) and text.startswith("at least "):
        return PriceDrop(parse_percent(text.removeprefix("at least ")), text)
    raise ValueError(f"{text!r} is not a price drop; write at least 10%")


PriceDropText = Annotated[
    PriceDrop,
    BeforeValidator(parse_price_drop),
    PlainSerializer(str, return_type=str),
    Text(r"^at least \d+(\.\d+)? ?%$", "at least 10%"),
]


class Trigger(FileModel):
    """The event, product change, consent or segment that starts the campaign."""

    did: str | None = None
    where: InstanceOf[Where] | None = None
    quiet_for: Duration | None = None
    product: Literal["back_in_stock", "price_drop", "runs_out"] | None = None
    by: PriceDropText | None = None
    collect: Duration | None = None
    in_the_next: Duration | None = None
    using: str | None = None
    consent_given: Annotated[str, Names("topics")] | None = None
    enters: Annotated[str, Names("segments")] | None = None
    max_lateness: Duration = timedelta(hours=24)

    def describe(self) -> str:
        """What begins an entry, in words."""
        if self.consent_given is not None:
            return f"somebody agrees to {self.consent_given}"
        if self.enters is not None:
            return f"somebody enters {self.enters}"
        if self.did is not None:
            quiet = "" if self.quiet_for is None else f", and not again for {format_duration(self.quiet_for)}"
            return f"somebody did {self.did}{quiet}"
        return f"a product: {self.product}"
