"""Amazon SES: what its events and notifications say; they come through SNS (`sns`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from automation.inbound.provider_reports import ProviderReport, ReportKind, read_request
from automation.web.api.webhooks.payload import parse_message_id, parse_time, read_field, read_text

_KINDS: Mapping[str, ReportKind] = {
    "Delivery": "delivered",
    "DeliveryDelay": "delayed",
    "Complaint": "complaint",
    "Open": "opened",
    "Click": "clicked",
    "Reject": "refused",
}
_PERMANENT: Mapping[str, ReportKind] = {
    "MessageTooLarge": "refused",
    "ContentRejected": "refused",
    "UnsubscribedRecipient": "unsubscribed",
}
"""What a permanent bounce says, by its subtype; any other one concerns the address."""


def parse_reports(notification_id: str, message: Any) -> Iterator[ProviderReport]:
    """The report in an event or a notification of SES, if it is one that counts.

    The original headers say which message it is about: SES must be set to include them.
    """
    name = read_text(message, "eventType") or read_text(message, "notificationType")
    kind, message_id = _classify(name, message), _find_message_id(message)
    if kind is None or not message_id:
        return
    part = read_field(message, name[:1].lower() + name[1:])
    yield ProviderReport(
        kind,
        message_id,
        "ses",
        notification_id,
        at=parse_time(read_text(part, "timestamp")),
        status=_read_status(part),
        request=read_request(kind, read_text(part, "userAgent", longest=500) or None),
    )


def _classify(name: str, message: Any) -> ReportKind | None:
    if name != "Bounce":
        return _KINDS.get(name)
    if read_text(message, "bounce", "bounceType") != "Permanent":
        return "delayed"
    return _PERMANENT.get(read_text(message, "bounce", "bounceSubType"), "dead_address")


def _find_message_id(message: Any) -> str:
    headers = read_field(message, "mail", "headers")
    for header in headers if isinstance(headers, list) else ():
        if read_text(header, "name").lower() == "message-id":
            return parse_message_id(read_text(header, "value", longest=400))
    return ""


def _read_status(part: Any) -> str:
    """The status of the first recipient, or the type of a complaint."""
    recipients = read_field(part, "bouncedRecipients") or read_field(part, "delayedRecipients")
    first = recipients[0] if isinstance(recipients, list) and recipients else None
    return read_text(first, "status", longest=20) or read_text(part, "complaintFeedbackType", longest=20)
