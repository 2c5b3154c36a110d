"""Who refused a message, when and how: the consent record or the suppression that a decision was about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from automation.inbound.identity import ADDRESS_COLUMNS
from automation.pipeline.objections import REASON as PROFILING
from automation.store.ledger import decisions
from automation.store.people import consent, suppressions
from automation.types.address import normalise
from automation.workspace.shop_format import ShopFormat, shop_format

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from automation.store.ledger.decisions import DecisionRow
    from automation.store.people.consent import ConsentRecordRow
    from automation.store.people.suppressions import SuppressionRow
    from automation.types.campaign import Campaign
    from automation.types.consent import ConsentState
    from automation.workspace.workspace import Workspace

_BY_CONSENT = ("consent_withdrawn", "consent_refused")
_BY_ADDRESS = ("suppressed_address", "suppressed_domain", "unsubscribed")


@dataclass(frozen=True)
class Refused:
    """A message that was refused: the reason code, the channel it is about, and the person's addresses.

    until: what was recorded later did not count; run_id: the run that decided, None where none has.
    """

    campaign: str
    topic: str
    customer_id: str
    code: str | None
    channel: str
    addresses: Sequence[str]
    until: datetime
    run_id: int | None = None


def refused_decision(campaign: Campaign, decision: DecisionRow, traits: Mapping[str, Any]) -> Refused:
    """What refused a decision or, later, its message. traits: of the customer, as the run has them."""
    return Refused(
        campaign=decision.campaign,
        topic=campaign.topic,
        customer_id=decision.customer_id,
        code=decision.state_reason if decision.message_id is not None else decision.reason,
        channel=decision.channel or decision.detail,
        addresses=[one for one in (decision.address, *known_addresses(traits)) if one],
        until=decision.settled_at or decision.decided_at,
        run_id=decision.run_id,
    )


def known_addresses(traits: Mapping[str, Any]) -> list[str]:
    return [traits[name] for name in ADDRESS_COLUMNS if traits.get(name)]


def refusal_facts(workspace: Workspace, refused: Refused) -> list[str]:
    """Sentences about the refusal, with source and date; none where nobody refused anything."""
    shop = shop_format(workspace)
    profiling = workspace.project.settings.consent.profiling
    with workspace.store.reading() as connection:
        if refused.code == PROFILING and profiling is not None:
            return [spell_record(*found, shop) for found in _objection_at(connection, refused, profiling)]
        if refused.code in _BY_CONSENT:
            counted = _record_at(connection, refused)
            if counted is not None:
                return [spell_record(*counted, shop)]
        if refused.code in (*_BY_ADDRESS, "consent_refused"):
            forms = [normalise(address) for address in refused.addresses]
            listed = suppressions.read_suppressions(connection, forms)
            found = (listed.row(form, refused.channel, refused.topic) for form in forms)
            return [spell_suppression(row, shop) for row in found if row is not None][:1]
        return _earlier(connection, refused, shop) if refused.code == "reentry" else []


def spell_record(record: ConsentRecordRow, state: ConsentState, shop: ShopFormat) -> str:
    """`consent to promotions by email withdrawn on 2026-05-01 by unsubscribe link; source: preference page`."""
    how = f" by {record.method}" if record.method else ""
    wording = f", wording {record.text_version}" if record.text_version else ""
    what = f"consent to {record.topic} by {record.channel}"
    return f"{what} {state} on {shop.day(record.at)}{how}; source: {record.source}{wording}"


def spell_suppression(row: SuppressionRow, shop: ShopFormat) -> str:
    """`ana@example.com is on the suppression list since 2026-05-01: its owner unsubscribed; source: …`."""
    why = suppressions.REASONS.get(row.reason, row.reason)
    return f"{row.address} is on the suppression list since {shop.day(row.at)}: {why}; source: {row.source}"


def _record_at(connection: Connection, refused: Refused) -> tuple[ConsentRecordRow, ConsentState] | None:
    """The record that counted then."""
    records = [
        (record, state)
        for record, state in consent.name_records(consent.history(connection, [refused.customer_id]))
        if (record.channel, record.topic) == (refused.channel, refused.topic) and record.recorded_at <= refused.until
    ]
    return records[-1] if records and not records[-1][0].granted else None


def _objection_at(connection: Connection, refused: Refused, topic: str) -> list[tuple[ConsentRecordRow, ConsentState]]:
    """The latest no to profiling then, on any channel, of the customer or of one of the addresses."""
    forms = [normalise(address) for address in refused.addresses]
    named = consent.name_records(consent.history(connection, [refused.customer_id], forms))
    return [one for one in named if one[0].topic == topic and not one[0].granted and one[0].at <= refused.until][-1:]


def _earlier(connection: Connection, refused: Refused, shop: ShopFormat) -> list[str]:
    """When the customer was in this campaign before."""
    found = decisions.find(connection, customer_id=refused.customer_id, campaign=refused.campaign)
    before = [row for row in found if row.run_id != refused.run_id and row.outcome in ("message", "holdout")]
    return [f"was in run {row.run_id} of {row.campaign} on {shop.day(row.decided_at)}" for row in before[:1]]
