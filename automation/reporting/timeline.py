"""One person's timeline: sent, refused and still coming, with every word on consent between them; the newest last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from automation.inbound.identity import Person
from automation.reporting.explain import reason_text
from automation.reporting.proof import Proof, of_person
from automation.store.ledger import message_history
from automation.store.ledger.message_history import Letter
from automation.workspace.workspace import Workspace

_OF_STATE = {
    "queued": "coming",
    "sending": "on its way",
    "sent": "sent",
    "ambiguous": "may have arrived",
    "failed": "failed",
}
_OF_OUTCOME = {"message": "sent", "holdout": "held out", "no_offer": "nothing offered", "erased": "erased"}


@dataclass(frozen=True)
class Moment:
    """One line. what: sent, coming, on its way, may have arrived, failed, refused, held out, nothing offered, erased,
    yes, no, suppressed, asked to confirm. about: the campaign, or the topic of a word."""

    at: datetime
    what: str
    about: str
    channel: str
    customer_id: str
    address: str
    detail: str
    coupon: str


def timeline(workspace: Workspace, who: Person) -> list[Moment]:
    """Everything on record about a person, across their ids and addresses."""
    with workspace.store.reading() as connection:
        letters = message_history.letters(connection, who.ids, list(who.addresses))
    moments = [_of_letter(workspace, letter) for letter in letters]
    moments += _of_proof(of_person(workspace, who))
    return sorted(moments, key=lambda moment: moment.at)


def _of_letter(workspace: Workspace, letter: Letter) -> Moment:
    what = _what(letter)
    at = letter.due_at if what == "coming" else letter.settled_at or letter.at
    return Moment(
        at=at or letter.at,
        what=what,
        about=letter.campaign,
        channel=letter.channel or "",
        customer_id=letter.customer_id,
        address=letter.address or "",
        detail=_why(workspace, letter, what),
        coupon=f"{letter.coupon} ({letter.coupon_state})" if letter.coupon else "",
    )


def _what(letter: Letter) -> str:
    if letter.state is not None:
        return _OF_STATE.get(letter.state, "refused")
    return _OF_OUTCOME.get(letter.outcome, "refused")


def _why(workspace: Workspace, letter: Letter, what: str) -> str:
    if what == "sent":
        return letter.state_reason or ""
    if what in ("coming", "on its way"):
        return letter.offer or ""
    code = letter.reason if letter.state is None else letter.state_reason or ""
    return reason_text(workspace, code)


def _of_proof(found: Proof) -> Sequence[Moment]:
    words = [
        Moment(
            w.at, "yes" if w.granted else "no", w.topic, w.channel, w.customer_id, w.address,
            ", ".join(part for part in (w.method, w.source, w.text_version) if part), "",
        )
        for w in found.words
    ]  # fmt: skip
    stops = [
        Moment(s.at, "suppressed", s.topic or "every topic", s.channel or "every channel", "", s.address,
               f"{s.reason}, {s.source}", "")
        for s in found.suppressions
    ]  # fmt: skip
    asked = [
        Moment(r.requested_at, "asked to confirm", r.topic, r.channel, r.customer_id, r.address, r.state, "")
        for r in found.requests
    ]
    return [*words, *stops, *asked]
