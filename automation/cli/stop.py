"""`automation stop`."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from automation.cli.invocation import Invocation
from automation.cli.output import Text
from automation.errors import ConfigurationError


def stop(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="the campaign's name", metavar="[CAMPAIGN]")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every campaign, launched or not")] = False,
) -> None:
    """Stop a campaign, or everything, before the next message.

    Messages already being sent still arrive; nothing else is sent until `automation resume`, even after a restart.

    Example: automation stop --all
    """
    from automation.runner import stopping

    invocation: Invocation = context.obj
    if (name is None) == (not everything):
        raise ConfigurationError("name what to stop: automation stop CAMPAIGN, or automation stop --all")
    with invocation.workspace() as workspace:
        stopping.stop(workspace, name, by=getpass.getuser())
    again = f"automation resume {name or '--all'}"
    invocation.output.show({"stopped": name or "*"}, Text(f"stopped {name or 'everything'}; to resume: {again}"))
