"""A customer's message, with why they would not get it now; and a message exactly as it was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from automation.delivery.sent_message import Rerendering
from automation.errors import AutomationError
from automation.reporting.explain import explain_now
from automation.reporting.reasons import reason_text
from automation.reporting.refusal import Refused, known_addresses, refusal_facts
from automation.reporting.rule_values import RuleValue, spell_figures
from automation.runner.campaign_status import campaign_statuses
from automation.runner.preview import Preview, preview
from automation.runner.samples import Sample
from automation.store import pauses
from automation.store.ledger import decisions
from automation.store.ledger.decisions import DecisionRow
from automation.types.message import Rendered
from automation.workspace.campaigns import valid_campaign
from automation.workspace.workspace import Workspace


@dataclass(frozen=True)
class CustomerPreview:
    """The message of a sample, and every reason why its customer would not get it now; none if they would."""

    sample: Sample
    message: Rendered
    why_not: Sequence[str]


@dataclass(frozen=True)
class SentMessage:
    """A message as it was sent, with the decision that led to it."""

    message: Rendered
    decision: DecisionRow


def preview_customer(workspace: Workspace, name: str, customer: str) -> CustomerPreview:
    """The message for a customer id or an address, at any time. Raises `AutomationError` for an unknown customer."""
    found = preview(workspace, name, customer)
    assert found.sample.rendered is not None
    return CustomerPreview(found.sample, found.sample.rendered, _why_not(workspace, name, found))


def sent_message(workspace: Workspace, message_id: str) -> SentMessage:
    """Raises `AutomationError` for a message that is unknown or was never sent."""
    with workspace.store.reading() as connection:
        found = decisions.find(connection, message_id=message_id)
    if not found:
        raise AutomationError(f"there is no message {message_id!r}; to find a customer's: automation customers show ID")
    return SentMessage(Rerendering(workspace).message(message_id), found[0])


def _why_not(workspace: Workspace, name: str, found: Preview) -> list[str]:
    campaign = valid_campaign(workspace.project, name)
    now = explain_now(workspace, campaign, found.sample.customer_id)
    reasons = [*_campaign_reasons(workspace, name)]
    if not now.member:
        reasons += [f"{now.reason}: {_spell(line)}" for line in now.rules if not line.held and not line.depth]
    if found.refusal is not None:
        refused = Refused(
            campaign=name,
            topic=campaign.topic,
            customer_id=found.sample.customer_id,
            code=found.refusal,
            channel=found.channel,
            addresses=known_addresses(found.traits),
            until=workspace.clock.now(),
        )
        facts = refusal_facts(workspace, refused) or [found.detail]
        more = "".join(f" ({fact})" for fact in facts if fact)
        reasons.append(f"{reason_text(workspace, found.refusal)}{more}")
    return reasons


def _campaign_reasons(workspace: Workspace, name: str) -> list[str]:
    """Whether the campaign sends anything at all."""
    (status,) = [one for one in campaign_statuses(workspace) if one.name == name]
    reasons = [f"{name} is a draft; to launch it: automation launch {name}"] if status.state == "draft" else []
    with workspace.store.reading() as connection:
        found = pauses.current_pauses(connection)
    return reasons + [str(pause) for pause in found if pause.scope in (*pauses.GLOBAL_SCOPES, name)]


def _spell(line: RuleValue) -> str:
    figures = spell_figures(line)
    return f"{line.text}{f' ({figures})' if figures else ''}"
