"""What a push message says, and where a tap on it leads."""

from __future__ import annotations

import re
from dataclasses import dataclass

from automation.http.exchange import Undeliverable
from automation.types.message import Rendered

_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Notification:
    """`link` is "" where a tap leads nowhere in particular."""

    title: str
    text: str
    link: str


def read_notification(message: Rendered) -> Notification:
    """A last line that is nothing but a link is where a tap leads, and isn't shown. Raises `Undeliverable`."""
    lines = message.text.strip().splitlines()
    link = lines.pop().strip() if lines and _LINK.fullmatch(lines[-1].strip()) else ""
    text = "\n".join(lines).strip()
    if not text and not message.subject:
        raise Undeliverable("the text is empty")
    return Notification(message.subject, text, link)
