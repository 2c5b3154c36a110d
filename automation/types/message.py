"""A decision's row in the ledger for one channel, what a channel gets to deliver, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, get_args

AddressKind = Literal["email", "phone", "push", "customer"]
"""What a channel wants as an address; `customer` wants none, and gets the customer's id."""
KINDS: tuple[AddressKind, ...] = get_args(AddressKind)


class MessageState(StrEnum):
    """Where a message is; `sent`, `failed`, `expired` and `cancelled` are final, and `ambiguous` holds everything."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    AMBIGUOUS = "ambiguous"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    ERASED = "erased"


LIVE = (MessageState.QUEUED, MessageState.SENDING, MessageState.SENT, MessageState.AMBIGUOUS)
"""A decision has at most one message in these states, whatever channel it fails over to."""


class Verdict(StrEnum):
    """A channel's answer for one message."""

    SENT = "sent"
    RETRY = "retry"  # definitely not delivered; may be tried again
    RETURNED = "returned"  # never left, for a reason that says nothing about it: the attempt is not counted
    FAILED = "failed"  # definitely not delivered; never will be
    AMBIGUOUS = "ambiguous"  # may have arrived
    WITHDRAWN = "withdrawn"  # never left, since it was taken back: decided about again at once. The core's own answer


@dataclass(frozen=True)
class Attachment:
    """A file that goes with an e-mail. media_type such as `application/pdf`."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Rendered:
    """One message, ready for its channel.

    `id` is the ledger's message id; `sent_at` the instant its sending was granted (for the Date header, so that a
    rendering repeats byte for byte). E-mail: subject, text and html. Any other: text (and subject as the title).
    `bounce_token` is for the return path: what comes back to it says which message bounced (`ids.bounced_message`).
    """

    id: str
    attempt: int
    channel: str
    to: str
    sent_at: datetime
    text: str
    subject: str = ""
    html: str = ""
    preheader: str = ""
    sender: str = ""
    reply_to: str = ""
    language: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    bounce_token: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """What the channel answered for one message. `detail` is short and holds no address.

    retry_after: how long the provider asked to be left alone, for RETRY and RETURNED. suppress: the reason code with
    which the address itself is put on the suppression list (hard_bounce, complaint, unsubscribed, dead_token), else "".
    worker_id: the worker's life that the attempt was granted to; a channel leaves it out, the executor knows it.
    """

    id: str
    attempt: int
    verdict: Verdict
    detail: str = ""
    provider_id: str = ""
    retry_after: timedelta | None = None
    suppress: str = ""
    worker_id: int = 0
