"""A rate as people write it: 50 per second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_RATE = re.compile(r"(\d+) per (second|minute|hour|day)")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True)
class Rate:
    """A number of messages in a unit of time, spread evenly over it."""

    messages: int
    unit: str

    @property
    def per_second(self) -> float:
        """Messages a second."""
        return self.messages / _SECONDS[self.unit]

    def __str__(self) -> str:
        return f"{self.messages} per {self.unit}"


def parse_rate(text: object) -> Rate:
    """`50 per second`, `1000 per hour`; at least 1. Raises ValueError."""
    if isinstance(text, Rate):
        return text
    if isinstance(text, str) and (match := _RATE.fullmatch(text.strip())) and int(match[1]) >= 1:
        return Rate(int(match[1]), match[2])
    raise ValueError(f"{text!r} is not a rate; write 50 per second, 3000 per minute or 1000 per hour")


RateText = Annotated[
    Rate,
    BeforeValidator(parse_rate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[1-9]\d* per (second|minute|hour|day)$", "examples": ["50 per second"]}
    ),
]
