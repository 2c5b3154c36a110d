"""Whether the opens and clicks of a customer's message are counted, where that needs a consent, and why not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from automation.inbound.identity import find_person
from automation.pipeline.tracking import find_untracked
from automation.reporting.refusal import Refused, refusal_facts
from automation.types.decision import CANNOT_REACH
from automation.types.message import MessageState
from automation.workspace.tracking import tracking_policy

if TYPE_CHECKING:
    from automation.store.ledger.decisions import DecisionRow
    from automation.types.campaign import Campaign
    from automation.workspace.workspace import Workspace

_WAITING = (None, MessageState.QUEUED.value)


def explain_tracking(workspace: Workspace, decision: DecisionRow) -> str:
    """A sentence about the decision's message: as it was sent, or as it would be now; "" where no consent is needed."""
    policy = tracking_policy(workspace.project)
    if policy is None or decision.channel is None or decision.channel not in policy.channels:
        return ""
    waits = decision.state in _WAITING
    why = _why_not(
        workspace,
        decision.customer_id,
        decision.channel,
        [decision.address or ""],
        workspace.clock.now() if waits else decision.settled_at or workspace.clock.now(),
    )
    if waits:
        return _now(policy.topic, decision.channel, why)
    if decision.tracked:
        return f"opens and clicks are counted, with consent to {policy.topic}"
    told = f": {why}" if why else ""
    return f"sent without pixel and tracked links, for want of a consent to {policy.topic}{told}"


def explain_tracking_now(workspace: Workspace, campaign: Campaign, customer_id: str) -> list[str]:
    """Sentences about the messages that the campaign's channels would carry to the customer now."""
    policy = tracking_policy(workspace.project)
    channels = [name for name in campaign.first_send.channels if policy is not None and name in policy.channels]
    if policy is None or not channels:
        return []
    person, now = find_person(workspace, customer_id), workspace.clock.now()
    emails = [address for address, kind in person.addresses.items() if kind == "email"]
    return [_now(policy.topic, name, _why_not(workspace, customer_id, name, emails or [""], now)) for name in channels]


def _now(topic: str, channel: str, why: str) -> str:
    if not why:
        return f"opens and clicks would be counted by {channel}, with consent to {topic}"
    return f"a message by {channel} would carry no pixel and no tracked links, for want of a consent to {topic}: {why}"


def _why_not(workspace: Workspace, customer_id: str, channel: str, addresses: Iterable[str], until: datetime) -> str:
    """Why nothing may be counted, with source and date where there is a record; "" where it may."""
    import polars as pl

    policy = tracking_policy(workspace.project)
    assert policy is not None
    forms = list(addresses)
    rows = [(customer_id, channel, address) for address in forms]
    message = pl.DataFrame(rows, schema=["customer_id", "channel", "address"], orient="row")
    known_until = until if until < workspace.clock.now() else None
    with workspace.store.reading() as connection:
        found = find_untracked(message, policy, connection, known_until=known_until)
    if found.is_empty():
        return ""
    code = str(found["code"][0])
    refused = Refused("", policy.topic, customer_id, code, channel, forms, until)
    return "; ".join(refusal_facts(workspace, refused)) or CANNOT_REACH.get(code, code)
