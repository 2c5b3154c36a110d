"""The title, text and link of a push notification."""

from __future__ import annotations

import re
from dataclasses import dataclass

from automation.http.sending import Undeliverable
from automation.types.message import Rendered

_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Notification:
    """A notification. `link` is the URL that a tap opens, or ""."""

    title: str
    text: str
    link: str


def read_notification(message: Rendered) -> Notification:
    """The notification of a message. If the last line is only a link, it becomes `link` and is not shown in the text.

    Raises `Undeliverable` if title and text are empty.
    """
    lines = message.text.strip().splitlines()
    link = lines.pop().strip() if lines and _LINK.fullmatch(lines[-1].strip()) else ""
    text = "\n".join(lines).strip()
    if not text and not message.subject:
        raise Undeliverable("the text is empty")
    return Notification(message.subject, text, link)
