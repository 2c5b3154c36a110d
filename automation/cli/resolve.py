"""`automation resolve`."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from automation.cli.invocation import DataDir, Invocation
from automation.cli.output import Text
from automation.errors import ConfigurationError


def resolve(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="the message's id, as listed by `automation status RUN`")],
    sent: Annotated[bool, typer.Option("--sent", help="it arrived")] = False,
    not_sent: Annotated[bool, typer.Option("--not-sent", help="it did not arrive: send it again")] = False,
    data_dir: DataDir = None,
) -> None:
    """Settle a message whose delivery is uncertain.

    Ask the provider first: if you send a message again that had arrived, the customer gets it twice.

    Example: automation resolve 5a1c…e9 --sent
    """
    from automation.runner.resolve import resolve_message

    if sent == not_sent:
        raise ConfigurationError("did it arrive? automation resolve MESSAGE --sent, or --not-sent")
    invocation: Invocation = context.obj
    with invocation.store_only(data_dir) as opened:
        resolve_message(opened, message, sent=sent, by=getpass.getuser())
    shown = f"message {message} {'counts as sent' if sent else 'is queued again'}"
    invocation.output.show({"message": message, "sent": sent, "unread": opened.unread}, Text(shown))
