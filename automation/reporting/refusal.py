"""Who refused a message, when and how: the consent record or the suppression that a decision was about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automation.store.ledger import decisions
from automation.store.people import consent, suppressions
from automation.types.address import normalise

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from automation.store.ledger.decisions import DecisionRow
    from automation.store.people.consent import ConsentRecordRow
    from automation.store.people.suppressions import SuppressionRow
    from automation.types.campaign import Campaign
    from automation.types.consent import ConsentState
    from automation.workspace.workspace import Workspace

_BY_CONSENT = ("consent_withdrawn", "consent_refused")
_BY_ADDRESS = ("suppressed_address", "suppressed_domain", "unsubscribed")


def refusal_facts(
    workspace: Workspace, campaign: Campaign, decision: DecisionRow, traits: Mapping[str, Any]
) -> list[str]:
    """Sentences about the refusal that stopped the message, with source and date; none where nothing refused it."""
    code = decision.state_reason if decision.message_id is not None else decision.reason
    channel = decision.channel or decision.detail
    with workspace.store.reading() as connection:
        if code in _BY_CONSENT:
            counted = _record_at(connection, decision, channel, campaign.topic)
            return [] if counted is None else [spell_record(*counted)]
        if code in _BY_ADDRESS:
            addresses = [decision.address, *(traits.get(name) for name in ("email", "phone", "push_token"))]
            listed = suppressions.read_suppressions(connection, [normalise(one) for one in addresses if one])
            found = (listed.row(normalise(one), channel, campaign.topic) for one in addresses if one)
            return [spell_suppression(row) for row in found if row is not None][:1]
        if code == "reentry":
            return _earlier(connection, decision)
    return []


def spell_record(record: ConsentRecordRow, state: ConsentState) -> str:
    """`consent to promotions by email withdrawn on 2026-05-01 by unsubscribe link; source: preference page`."""
    how = f" by {record.method}" if record.method else ""
    wording = f", wording {record.text_version}" if record.text_version else ""
    what = f"consent to {record.topic} by {record.channel}"
    return f"{what} {state} on {record.at:%Y-%m-%d}{how}; source: {record.source}{wording}"


def spell_suppression(row: SuppressionRow) -> str:
    """`ana@example.com is on the suppression list since 2026-05-01: its owner unsubscribed; source: …`."""
    why = suppressions.REASONS.get(row.reason, row.reason)
    return f"{row.address} is on the suppression list since {row.at:%Y-%m-%d}: {why}; source: {row.source}"


def _record_at(
    connection: Connection, decision: DecisionRow, channel: str, topic: str
) -> tuple[ConsentRecordRow, ConsentState] | None:
    """The record that counted then."""
    until: datetime = decision.settled_at or decision.decided_at
    records = [
        (record, state)
        for record, state in consent.name_records(consent.history(connection, [decision.customer_id]))
        if (record.channel, record.topic) == (channel, topic) and record.recorded_at <= until
    ]
    return records[-1] if records else None


def _earlier(connection: Connection, decision: DecisionRow) -> list[str]:
    """When the customer was in this campaign before."""
    found = decisions.find(connection, customer_id=decision.customer_id, campaign=decision.campaign)
    before = [row for row in found if row.decided_at < decision.decided_at and row.outcome in ("message", "holdout")]
    return [f"was in run {row.run_id} of {row.campaign} on {row.decided_at:%Y-%m-%d}" for row in before[:1]]
