"""The tokens in links: each names one message for one purpose, by an id made for links, signed with the store's
secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from automation.ids import message_of_link, verify

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
    link = value if purpose != "click" else ""
    number = 0
    if purpose == "click" and (numbered := _NUMBERED.fullmatch(value)):
        link, number = numbered[1], int(numbered[2])
    message_id = message_of_link(secret, link) if _PLAIN.fullmatch(link) else None
    return None if message_id is None else Reference(message_id, number)
