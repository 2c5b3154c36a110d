"""A message as MIME bytes: our assembly against the standard library's, whose output parses to the same."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from email.utils import format_datetime

from letters import letter
from measure import Measure, median_seconds

from automation.types.message import Rendered
from automation_email.mime import build


def measures(*, quick: bool) -> list[Measure]:
    """Microseconds a message, medians of rounds in turn."""
    count, rounds = (100, 5) if quick else (500, 9)
    messages = [letter(number) for number in range(count)]
    assert _parsed(build(messages[0])) == _parsed(standard(messages[0]))
    taken = median_seconds(
        {
            "ours": lambda: [build(message) for message in messages],
            "standard": lambda: [standard(message) for message in messages],
        },
        rounds,
    )
    ours, theirs = (taken[name] / count * 1e6 for name in ("ours", "standard"))
    return [Measure("MIME, against EmailMessage", ours, "us a message", theirs, theirs / ours, "ratio >= 30")]


def standard(message: Rendered) -> bytes:
    """The same message by `email.message`, built and generated."""
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Reply-To"] = message.sender, message.to, message.reply_to
    made["Subject"], made["Date"] = message.subject, format_datetime(message.sent_at)
    made["Message-ID"] = f"<{message.id}@lindholm.example>"
    for name, value in message.headers.items():
        made[name] = value
    made.set_content(message.text)
    made.add_alternative(message.html, subtype="html")
    return made.as_bytes()


def _parsed(data: bytes) -> object:
    """What a reader sees: the headers without those of the encoding, and each part's kind and content."""
    found = email.message_from_bytes(data, policy=email.policy.default)
    headers = {name: str(value) for name, value in found.items() if not name.lower().startswith(("content-", "mime-"))}
    parts = [part for part in found.walk() if not part.is_multipart()]
    return headers, [(part.get_content_type(), part.get_content()) for part in parts]
