"""Test sends: a customer's message, delivered to the marketer's own address outside the ledger."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from automation.errors import AutomationError, ConfigurationError
from automation.ids import new_request_id
from automation.runner.preview import preview, preview_versions
from automation.runner.samples import Sample
from automation.types.message import Receipt, Rendered, Verdict
from automation.workspace.channels import make_channel
from automation.workspace.workspace import Workspace

MARK = "[Test] "


@dataclass(frozen=True)
class SentTest:
    """One message that was sent. language: None where the template has texts in one language only."""

    customer: str
    variant: str | None
    language: str | None
    channel: str
    verdict: str
    subject: str


def send_tests(
    workspace: Workspace, name: str, to: str, *, customer: str | None = None, versions: bool = False
) -> list[SentTest]:
    """Send the customer's message to `to`, once, or in every variant and language.

    customer: by default the first of `testing.customers`. Raises `ConfigurationError` where that has none, and
    `AutomationError` where the channel does not take it.
    """
    whose = customer or _test_customer(workspace)
    samples = preview_versions(workspace, name, whose) if versions else [preview(workspace, name, whose).sample]
    return [_send(workspace, sample, to, label=versions) for sample in samples]


def _test_customer(workspace: Workspace) -> str:
    customers = workspace.project.settings.testing.customers
    if not customers:
        raise ConfigurationError(
            "name the customer: --customer ID; or set one for tests in config.yaml: testing: {customers: [ID]}"
        )
    return customers[0]


def _send(workspace: Workspace, sample: Sample, to: str, *, label: bool) -> SentTest:
    """label: whether the subject names the variant and language."""
    message = sample.rendered
    assert message is not None
    parts = ", ".join(part for part in (sample.variant, message.language) if part)
    subject = f"{f'[Test {parts}] ' if label and parts else MARK}{message.subject}"
    receipt = _deliver(workspace, replace(message, to=to, subject=subject))
    if receipt.verdict is not Verdict.SENT:
        raise AutomationError(f"the {message.channel} channel answered {receipt.verdict.value}: {receipt.detail}")
    return SentTest(
        customer=sample.customer_id,
        variant=sample.variant,
        language=message.language or None,
        channel=message.channel,
        verdict=receipt.verdict.value,
        subject=subject,
    )


def _deliver(workspace: Workspace, message: Rendered) -> Receipt:
    """Deliver it once through the real channel, under an id that no message of the ledger has."""
    return asyncio.run(_deliver_once(workspace, replace(message, id=new_request_id() + new_request_id())))


async def _deliver_once(workspace: Workspace, message: Rendered) -> Receipt:
    channel = make_channel(workspace, message.channel)
    try:
        receipts = [receipt async for receipt in channel.deliver([message], lambda _: None)]
    finally:
        await channel.close()
    return receipts[0] if receipts else Receipt(message.id, message.attempt, Verdict.AMBIGUOUS, "no receipt was given")
