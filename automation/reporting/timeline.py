"""One person's timeline: messages sent, refused and still due, and changes of consent; the newest last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from automation.inbound.identity import Person
from automation.reporting.consent_proof import ConsentProof, proof_of_person
from automation.reporting.reasons import reason_text
from automation.store.ledger import message_history
from automation.store.ledger.decisions import DecisionRow
from automation.store.ledger.message_history import ImportedSend
from automation.store.people.consent import name_records
from automation.workspace.workspace import Workspace

_BY_STATE = {
    "queued": "due",
    "sending": "sending",
    "sent": "sent",
    "ambiguous": "may have arrived",
    "failed": "failed",
}
_BY_OUTCOME = {"message": "sent", "holdout": "held out", "no_offer": "no offer", "erased": "erased"}


@dataclass(frozen=True)
class TimelineEntry:
    """One line.

    what: sent, due, sending, may have arrived, failed, refused, held out, no offer, erased, consent given,
    consent refused, consent withdrawn, suppressed, or asked to confirm. about: the campaign, or the topic of a consent.
    """

    at: datetime
    what: str
    about: str
    channel: str
    customer_id: str
    address: str
    detail: str
    coupon: str


def timeline(workspace: Workspace, who: Person) -> list[TimelineEntry]:
    """Everything on record about a person, across their ids and addresses."""
    with workspace.store.reading() as connection:
        history = message_history.read_history(connection, who.ids, list(who.addresses))
    entries = [_imported(send) for send in history.imported]
    entries += [_message(workspace, decision) for decision in history.decisions]
    entries += _consents(proof_of_person(workspace, who))
    return sorted(entries, key=lambda entry: entry.at)


def _imported(send: ImportedSend) -> TimelineEntry:
    return TimelineEntry(
        at=send.at,
        what="sent",
        about=send.campaign,
        channel=send.channel,
        customer_id=send.customer_id,
        address=send.address,
        detail="imported from another tool",
        coupon="",
    )


def _message(workspace: Workspace, decision: DecisionRow) -> TimelineEntry:
    what = _what(decision)
    at = decision.due_at if what == "due" else decision.settled_at
    return TimelineEntry(
        at=at or decision.decided_at,
        what=what,
        about=decision.campaign,
        channel=decision.channel or "",
        customer_id=decision.customer_id,
        address=decision.address or "",
        detail=_detail(workspace, decision, what),
        coupon=f"{decision.coupon} ({decision.coupon_state})" if decision.coupon else "",
    )


def _what(decision: DecisionRow) -> str:
    if decision.state is not None:
        return _BY_STATE.get(decision.state, "refused")
    return _BY_OUTCOME.get(decision.outcome, "refused")


def _detail(workspace: Workspace, decision: DecisionRow, what: str) -> str:
    """The offer of a message that is still due, otherwise the reason."""
    if what == "sent":
        return decision.state_reason or ""
    if what in ("due", "sending"):
        return decision.offer or ""
    code = decision.reason if decision.state is None else decision.state_reason or ""
    return reason_text(workspace, code)


def _consents(proof: ConsentProof) -> Iterator[TimelineEntry]:
    for record, state in name_records(proof.records):
        yield TimelineEntry(
            at=record.at,
            what=f"consent {state}",
            about=record.topic,
            channel=record.channel,
            customer_id=record.customer_id,
            address=record.address,
            detail=", ".join(part for part in (record.method, record.source, record.text_version) if part),
            coupon="",
        )
    for row in proof.suppressions:
        channel, topic = row.channel or "every channel", row.topic or "every topic"
        yield TimelineEntry(row.at, "suppressed", topic, channel, "", row.address, f"{row.reason}, {row.source}", "")
    for request in proof.requests:
        yield TimelineEntry(
            at=request.requested_at,
            what="asked to confirm",
            about=request.topic,
            channel=request.channel,
            customer_id=request.customer_id,
            address=request.address,
            detail=request.state,
            coupon="",
        )
