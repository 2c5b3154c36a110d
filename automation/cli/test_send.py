"""`automation test-send`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.cli.plan import Name
from automation.cli.preview import rendered_message
from automation.errors import AutomationError, ConfigurationError

if TYPE_CHECKING:
    from automation.runner.plan import Sample
    from automation.workspace.workspace import Workspace


def test_send(
    context: typer.Context,
    name: Name,
    to: Annotated[str, typer.Option(help="where it goes, instead of to the customer")],
    customer: Annotated[
        str | None, typer.Option("--customer", help="whose message; else that of the first of testing.customers")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="every variant in every language, once each")] = False,
) -> None:
    """Send one customer's message to your own address.

    Sends through the real channel but outside the ledger: no frequency cap counts it and no coupon is used.

    Example: automation test-send winback --customer C1042 --to me@example.com --all
    """
    from automation.runner.plan import every_version
    from automation.runner.plan import preview as rehearsed

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        whose = customer or _test_customer(workspace)
        samples = every_version(workspace, name, whose) if every else [rehearsed(workspace, name, whose)]
        sent = [_send(workspace, sample, whose, to, versions=every) for sample in samples]
    lines = [Text(f"sent to {to} by {one['channel']}: {one['subject']}", "good") for one in sent]
    names = ("variant", "language", "channel", "verdict")
    shown = [{key: one[key] for key in names} for one in sent]
    payload = {"campaign": name, "customer": whose, "to": to, "channel": shown[0]["channel"], "verdict": "sent"}
    invocation.output.show({**payload, "sent": shown}, *lines)


def _send(workspace: Workspace, sample: Sample, customer: str, to: str, *, versions: bool) -> dict[str, str | None]:
    from automation.runner.test_send import MARK, send_trial
    from automation.types.message import Verdict

    rendered = rendered_message(sample, customer)
    parts = ", ".join(part for part in (sample.variant, rendered.language) if part)
    mark = f"[Test {parts}] " if versions and parts else MARK
    receipt = send_trial(workspace, rendered, to, mark=mark)
    if receipt.verdict is not Verdict.SENT:
        raise AutomationError(f"the {rendered.channel} channel answered {receipt.verdict.value}: {receipt.detail}")
    subject = f"{mark}{rendered.subject}"
    found = {"variant": sample.variant, "language": rendered.language or None, "channel": rendered.channel}
    return {**found, "verdict": receipt.verdict.value, "subject": subject}


def _test_customer(workspace: Workspace) -> str:
    customers = workspace.project.settings.testing.customers
    if not customers:
        raise ConfigurationError(
            "say whose message: --customer ID; or name customers for tests in config.yaml: testing: {customers: [ID]}"
        )
    return customers[0]
