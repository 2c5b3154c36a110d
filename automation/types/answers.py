"""What people do with a message, as a campaign file says it: the event types behind each word."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from automation.event_types import CLICK, EMAIL_CLICK, EMAIL_OPEN

ANSWERS: Mapping[str, tuple[str, ...]] = MappingProxyType({"click": (EMAIL_CLICK, CLICK), "open": (EMAIL_OPEN,)})
"""Of people only, never of machines. In a journey they count on the entry's own messages."""


def types_of(word: str) -> tuple[str, ...]:
    """The event types that count for a `did`."""
    return ANSWERS.get(word, (word,))
