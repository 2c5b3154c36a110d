"""The tokens in links: each names one message for one purpose, signed with the store's secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from automation.ids import verify

Purpose = Literal["open", "click", "unsubscribe", "preferences", "confirm"]

PATTERN = r"[0-9a-f]{32}(\.[0-9]{1,4})?\.[0-9a-f]{32}"
_TOKEN = re.compile(PATTERN, re.ASCII)
_NUMBERED = re.compile(r"([0-9a-f]{32})\.(0|[1-9][0-9]{0,3})", re.ASCII)
_PLAIN = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class Reference:
    """What a token names: a message and, for a click, the number of the link."""

    message_id: str
    link: int = 0


def read_token(secret: bytes, purpose: Purpose, token: str) -> Reference | None:
    """What the token names; None if it was not signed for this purpose."""
    if not _TOKEN.fullmatch(token):
        return None
    value = verify(secret, purpose, token)
    if value is None:
        return None
    if purpose != "click":
        return Reference(value) if _PLAIN.fullmatch(value) else None
    numbered = _NUMBERED.fullmatch(value)
    return Reference(numbered[1], int(numbered[2])) if numbered else None
