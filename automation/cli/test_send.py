"""`automation test-send`."""

from __future__ import annotations

from typing import Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.cli.plan import Name


def test_send(
    context: typer.Context,
    name: Name,
    to: Annotated[str, typer.Option(help="the address to send it to")],
    customer: Annotated[
        str | None,
        typer.Option("--customer", help="an id or an address; by default the first of testing.customers"),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="send every variant in every language")] = False,
) -> None:
    """Send one customer's message to your own address.

    Sends through the real channel but outside the ledger: no frequency cap counts it and no coupon is used.

    Example: automation test-send winback --customer C1042 --to me@example.com --all
    """
    from automation.reporting.json_output.messages import sent_tests_json
    from automation.runner.test_send import send_tests

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        sent = send_tests(workspace, name, to, customer=customer, versions=every)
    shown = [Text(f"sent to {to} by {one.channel}: {one.subject}", "success") for one in sent]
    invocation.output.show(sent_tests_json(name, to, sent), *shown)
