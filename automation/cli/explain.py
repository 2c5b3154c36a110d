"""`automation explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.plan import Name


def explain(
    context: typer.Context,
    name: Name,
    customer: Annotated[str, typer.Argument(help="the shop's own id, an e-mail address or a phone number")],
) -> None:
    """Explain why a customer got a message, or none.

    Shows every rule with its value as the run recorded it, or as of now if no run has decided yet.

    Example: automation explain winback C1042
    """
    from automation.cli.explain_blocks import explain_blocks
    from automation.reporting.explain import explain as explain_decision

    invocation: Invocation = context.obj
    with invocation.workspace() as workspace:
        found = explain_decision(workspace, name, customer)
    invocation.output.show(found.to_json(), *explain_blocks(found))
