"""`automation stop`."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from automation.cli.invocation import DataDir, Invocation
from automation.cli.output import Text
from automation.errors import ConfigurationError


def stop(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="the campaign's name", metavar="[CAMPAIGN]")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every campaign, launched or not")] = False,
    data_dir: DataDir = None,
) -> None:
    """Stop a campaign, or everything, before the next message.

    Messages already being sent still arrive; nothing else is sent until `automation resume`, even after a restart. It
    needs only the store: it works while config.yaml is broken, a secret is not set or a plugin can't be loaded.

    Example: automation stop --all
    """
    from automation.runner import stopping

    invocation: Invocation = context.obj
    if (name is None) == (not everything):
        raise ConfigurationError("name what to stop: automation stop CAMPAIGN, or automation stop --all")
    with invocation.store_only(data_dir) as opened:
        stopping.stop(
            opened, name, by=getpass.getuser(), drafts=opened.drafts, while_locked=invocation.output.error
        )  # fmt: skip
    again = f"automation resume {name or '--all'}"
    value = {"stopped": name or "*", "unread": opened.unread}
    invocation.output.show(value, Text(f"stopped {name or 'everything'}; to resume: {again}"))
