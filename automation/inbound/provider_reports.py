"""The one door for everything that providers report about a message: classified, recorded as an event, acted on.

The mailbox, the webhooks of e-mail providers and of Twilio, and the answers that channels get all end here, so that the
same fact has the same consequences whichever way it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import JsonValue
from sqlalchemy.engine import Connection

from automation import event_types
from automation.inbound.bot_detection import TrackedRequest, detect_bot, event_type
from automation.store.inbox import inbox, responses
from automation.store.inbox.responses import MessageRecipient, Proof
from automation.store.people import suppressions
from automation.types.message import AddressKind, Receipt

ReportKind = Literal[
    "delivered", "delayed", "refused", "dead_address", "complaint", "unsubscribed", "opted_out", "opened", "clicked"
]
"""What happened to the message.

- delivered: it reached the recipient's server or phone
- delayed: it has not arrived yet, or a failure that says nothing final
- refused: it was refused for good
- dead_address: it was refused, and so will be every other message to this address
- complaint: the recipient called it spam
- unsubscribed: the recipient unsubscribed from its topic
- opted_out: the recipient wants nothing more at this address (STOP)
- opened, clicked: the recipient, or a bot, fetched the pixel or followed a link
"""


@dataclass(frozen=True)
class ProviderReport:
    """One report about one message.

    report_id: the source's own number of the report; the same report twice counts once. status: the source's code, such
    as 5.1.1. request: of an open or click. method: how a recipient unsubscribed. within: how long after the message
    was handed over it is believed; a later one can't be told from a replay, and changes nothing.
    """

    kind: ReportKind
    message_id: str
    source: str
    report_id: str
    address_kind: AddressKind = "email"
    at: datetime | None = None
    status: str = ""
    request: TrackedRequest | None = None
    method: str = "provider"
    within: timedelta | None = None


def read_request(kind: ReportKind, user_agent: str | None) -> TrackedRequest | None:
    """What a provider says of the client that opened or clicked; called before the transaction that records it."""
    if kind not in ("opened", "clicked"):
        return None
    agent = user_agent or "Mozilla/5.0 (unknown)"
    return TrackedRequest.of("open" if kind == "opened" else "click", "GET", agent)


EVENT_TYPES: Mapping[AddressKind, Mapping[ReportKind, str]] = {
    "email": {
        "delivered": event_types.EMAIL_DELIVERED,
        "delayed": event_types.EMAIL_DELAYED,
        "refused": event_types.EMAIL_BOUNCE,
        "dead_address": event_types.EMAIL_BOUNCE,
        "complaint": event_types.EMAIL_COMPLAINT,
        "unsubscribed": event_types.UNSUBSCRIBE,
        "opted_out": event_types.UNSUBSCRIBE,
    },
    "phone": {
        "delivered": event_types.SMS_DELIVERED,
        "refused": event_types.SMS_FAILED,
        "dead_address": event_types.SMS_FAILED,
        "unsubscribed": event_types.UNSUBSCRIBE,
        "opted_out": event_types.UNSUBSCRIBE,
    },
    "push": {"dead_address": event_types.PUSH_FAILED},
    "customer": {},
}
"""The event that a report becomes; what is not here becomes none. Opens and clicks depend on `bot_detection`."""


def record_report(connection: Connection, report: ProviderReport, *, now: datetime) -> bool:
    """Record a report and what follows from it; returns whether it was new and about a message of ours."""
    message = responses.find_recipient(connection, report.message_id) if report.message_id else None
    if message is None or _is_late(message, report, now):
        return False
    return _record(connection, message, report, now)


def _is_late(message: MessageRecipient, report: ProviderReport, now: datetime) -> bool:
    return report.within is not None and message.granted_at is not None and now - message.granted_at > report.within


def record_receipts(
    connection: Connection, receipts: Iterable[Receipt], kinds: Mapping[str, AddressKind], *, now: datetime
) -> None:
    """Record what channels' answers say about addresses (`Receipt.suppress`). kinds: of each channel.

    An answer that concerns the message alone stays in the ledger and becomes no event.
    """
    for receipt in receipts:
        message = responses.find_recipient(connection, receipt.id) if receipt.suppress else None
        if message is not None:
            _record(connection, message, _report_of(receipt, kinds.get(message.channel, "customer")), now)


_RECEIPT_KINDS: Mapping[str, ReportKind] = {
    "hard_bounce": "dead_address",
    "dead_token": "dead_address",
    "complaint": "complaint",
    "unsubscribed": "opted_out",
}


def _report_of(receipt: Receipt, address_kind: AddressKind) -> ProviderReport:
    report_id = f"{receipt.id}:{receipt.attempt}"
    return ProviderReport(
        _RECEIPT_KINDS.get(receipt.suppress, "dead_address"), receipt.id, "provider", report_id, address_kind
    )


def _record(connection: Connection, message: MessageRecipient, report: ProviderReport, now: datetime) -> bool:
    at = min(report.at, now) if report.at is not None else now
    type_, attributes = _classify(message, report)
    if type_ is not None:
        event_id = f"{report.source}:{report.report_id}"
        event = responses.make_event(
            message, type_, at=at, event_id=event_id, source=report.source, status=report.status or None, **attributes
        )
        if not inbox.add_events(connection, [event], now=now):
            return False
    _act(connection, message, report, at, now)
    return True


def _classify(message: MessageRecipient, report: ProviderReport) -> tuple[str | None, dict[str, JsonValue]]:
    """The event's type, None where the report becomes no event, and its further attributes."""
    if report.kind in ("opened", "clicked"):
        kind: Literal["open", "click"] = "open" if report.kind == "opened" else "click"
        found = detect_bot(report.request or TrackedRequest(kind, "GET", "", None, client="browser"))
        return event_type(kind, bot=found.is_bot), {"why": found.why} if found.is_bot else {}
    type_ = EVENT_TYPES[report.address_kind].get(report.kind)
    if type_ == event_types.UNSUBSCRIBE:
        return type_, {"topic": message.topic, "method": report.method}
    return type_, {"kind": report.kind}


def _act(
    connection: Connection, message: MessageRecipient, report: ProviderReport, at: datetime, now: datetime
) -> None:
    """Suppress a dead or complaining address, and withdraw the consent of a recipient who unsubscribed."""
    reason = {"dead_address": "hard_bounce", "complaint": "complaint", "opted_out": "unsubscribed"}.get(report.kind)
    if report.kind == "dead_address" and report.address_kind == "push":
        reason = "dead_token"
    if reason is not None:
        suppressions.suppress(
            connection, [message.address], channel=message.channel, reason=reason, source=report.source, now=now
        )
    if report.kind in ("unsubscribed", "opted_out"):
        proof = Proof(at, report.source, report.method)
        responses.withdraw_consent(connection, message, message.channel, message.topic, proof)
