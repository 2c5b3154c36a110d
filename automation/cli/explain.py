"""`automation explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from automation.cli.data_dir import DataDir
from automation.cli.invocation import Invocation
from automation.cli.plan import Name
from automation.workspace.shop_format import shop_format


def explain(
    context: typer.Context,
    name: Name,
    customer: Annotated[str, typer.Argument(help="the shop's own id, an e-mail address or a phone number")],
    data_dir: DataDir = None,
) -> None:
    """Explain why a customer got a message, or none.

    Shows every rule with its value as the run recorded it, or as of now if no run has decided yet. If the project's
    files can't be read, it shows what was decided, without the rules.

    Example: automation explain winback C1042
    """
    from automation.cli.explain_blocks import explain_blocks
    from automation.cli.failures import keep_traceback
    from automation.errors import AutomationError
    from automation.reporting.explain import explain as explain_decision
    from automation.reporting.explain import explain_from_store
    from automation.workspace.opened import OpenedStore

    invocation: Invocation = context.obj
    with invocation.workspace_or_store(data_dir) as opened:
        if isinstance(opened, OpenedStore):
            found, unread = explain_from_store(opened, name, customer), opened.unread
        else:
            try:
                found, unread = explain_decision(opened, name, customer), ()
            except AutomationError:
                raise
            except Exception as error:  # a damaged warehouse
                found = explain_from_store(opened, name, customer)
                unread = (f"{type(error).__name__}: {str(error).splitlines()[0]}",)
                invocation.output.note(f"{unread[0]}; details: {keep_traceback(error, invocation)}")
    invocation.output.show({**found.to_json(), "unread": list(unread)}, *explain_blocks(found, shop_format(opened)))
